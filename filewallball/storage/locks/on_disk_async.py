"""The locks of on_disk.py for asyncio: who waits keeps no thread, and a cancelled task leaves the queue."""

from __future__ import annotations

import asyncio
from contextlib import closing

from filewallball.storage.locks.on_disk import DiskHeld, DiskLocks
from filewallball.storage.locks.turns import Pause

LOOK_SECONDS = 0.05
"""How often a waiting task looks whether the holder lives."""


class AsyncDiskHeld:
    """A lock that the caller has; of no child that forks."""

    __slots__ = ("_held", "token")

    def __init__(self, held: DiskHeld) -> None:
        self.token = held.token
        self._held = held

    async def extend(self, ttl: float) -> None:
        """From now on. Raises NotHeld."""
        self._held.extend(ttl)

    async def release(self) -> None:
        """Raises NotHeld if it was no longer the caller's."""
        self._held.release()


class AsyncDiskLocks:
    """The same locks, for any number of event loops and tasks."""

    def __init__(self, locks: DiskLocks) -> None:
        self._locks = locks

    async def acquire(self, name: str, ttl: float, wait: float | None = None) -> AsyncDiskHeld:
        """`wait`: at most so many seconds; None: for ever; 0: not at all. Raises NotAcquired, Unavailable."""
        with closing(self._locks.steps(name, ttl, wait)) as steps:
            try:
                while True:
                    await _sleep(next(steps))
            except StopIteration as done:
                return AsyncDiskHeld(done.value)

    async def cleanup(self) -> int:
        """Remove what is left of locks that ran out, or whose holders died; how many."""
        return await asyncio.to_thread(self._locks.cleanup)

    async def held(self) -> list[str]:
        """The names that somebody holds."""
        return await asyncio.to_thread(self._locks.held)

    async def close(self) -> None:
        """What these locks still hold is free."""
        self._locks.close()


async def _sleep(pause: Pause) -> None:
    loop = asyncio.get_running_loop()
    woken = asyncio.Event()
    loop.add_reader(pause.ear.fd, woken.set)
    try:
        async with asyncio.timeout(max(0.0, min(pause.seconds, LOOK_SECONDS))):
            await woken.wait()
    except TimeoutError:
        return
    finally:
        loop.remove_reader(pause.ear.fd)
        pause.ear.hush()
