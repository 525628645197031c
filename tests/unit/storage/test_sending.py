"""What a call over asyncio costs, and that large values are sent whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from filewallball.storage.on_redis.asynchronous import UNSENT_BYTES, OnAsyncRedis
from filewallball.storage.on_redis.connections import Account
from filewallball.storage.urls import parse


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each command with the length of its last word."""
    try:
        while line := await reader.readline():
            length = 0
            for _ in range(int(line[1:])):
                length = int((await reader.readline())[1:])
                await reader.readexactly(length + 2)
            writer.write(b":%d\r\n" % length)
    except asyncio.IncompleteReadError:
        pass
    finally:
        writer.close()


async def _with_a_server() -> tuple[list[Any], list[int]]:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    backend = OnAsyncRedis(parse(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"))
    assert await backend.one("GET", b"abc") == 3
    made: list[Any] = []

    def task(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **more)

    asyncio.get_running_loop().set_task_factory(task)
    await backend.one("GET", b"abc")
    asyncio.get_running_loop().set_task_factory(None)
    found = [await backend.one("SET", b"a", b"x" * size) for size in (1, UNSENT_BYTES, 20 * 2**20)]
    await backend.close()
    server.close()
    return made, found


def test_a_call_makes_no_task_and_a_large_value_is_sent_whole() -> None:
    made, found = asyncio.run(_with_a_server())
    assert made == []
    assert found == [1, UNSENT_BYTES, 20 * 2**20]


def test_a_new_connection_with_a_password_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """redis-py warns at each one where only the call for threads is given."""
    account = Account("app", "a password")
    assert asyncio.run(account.get_credentials_async()) == ("app", "a password")
    assert caplog.records == []
