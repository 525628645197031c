"""A connection that a server has closed looks otherwise under uvloop. It is one all the same."""

from __future__ import annotations

import asyncio

import pytest

from filewallball.storage.on_redis.asynchronous import OnAsyncRedis
from filewallball.storage.urls import parse

CLOSED = "unable to perform operation on <TCPTransport closed=True 0xb0f7700>; the handler is closed"


def called(*errors: Exception) -> int:
    """How many calls it took to get past these errors."""
    calls: list[object] = []

    async def function(_: object) -> int:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return len(calls)

    async def run() -> int:
        return await OnAsyncRedis(parse("redis://127.0.0.1:1/0")).call(function)

    return asyncio.run(run())


def test_a_call_on_a_connection_that_uvloop_has_closed_is_tried_again() -> None:
    assert called(RuntimeError(CLOSED)) == 2


def test_what_the_caller_has_done_wrong_is_not_tried_again() -> None:
    with pytest.raises(RuntimeError, match="their own"):
        called(RuntimeError("their own fault"))
