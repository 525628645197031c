"""Blocking libraries from asyncio: a bounded number of threads, and a bounded wait for one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from filewallball.app.errors import Unavailable

T = TypeVar("T")


class Threads:
    """`count` threads. Who finds them all at work waits at most `patience` seconds."""

    def __init__(self, name: str, count: int, patience: float) -> None:
        self._name, self._patience = name, patience
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)
        self._turns = asyncio.Semaphore(count)

    async def run(self, function: Callable[[], T]) -> T:
        """What the function returns or raises. Raises Unavailable if no thread becomes free in time."""
        await self._turn()
        try:
            call = asyncio.get_running_loop().run_in_executor(self._pool, function)
        except BaseException:
            self._turns.release()
            raise
        # Not when the caller leaves: a thread is free when its work is over.
        call.add_done_callback(self._done)
        return await asyncio.shield(call)

    async def _turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(f"All threads for the {self._name} are at work.") from None

    def _done(self, call: asyncio.Future[T]) -> None:
        self._turns.release()
        if not call.cancelled():
            call.exception()  # of a caller who has left, nobody else would look at it

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
