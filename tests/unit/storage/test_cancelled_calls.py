"""A task that is cancelled ends, even where the client under it forgets that it was told to."""

from __future__ import annotations

import asyncio

import pytest

from filewallball.storage.on_redis.asynchronous import OnAsyncRedis
from filewallball.storage.urls import parse


async def _of_a_forgetful_client() -> None:
    """As `asyncio.wait_for` of Python 3.11 is, once what it waits for is done."""
    inside = asyncio.Event()

    async def forgetful(_: object) -> str:
        inside.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "an answer"
        return "too late"

    task = asyncio.create_task(OnAsyncRedis(parse("redis://127.0.0.1:1/0")).call(forgetful))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _after_a_cancellation() -> str:
    backend = OnAsyncRedis(parse("redis://127.0.0.1:1/0"))

    async def answers(_: object) -> str:
        return "an answer"

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return await backend.call(answers)
        return "too late"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    return await task


def test_of_a_forgetful_client() -> None:
    asyncio.run(_of_a_forgetful_client())


def test_but_a_cancelled_task_may_still_clean_up() -> None:
    assert asyncio.run(_after_a_cancellation()) == "an answer"
