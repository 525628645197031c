"""A backend that blocks, for asyncio: its calls run in threads of their own, so that no loop waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from filewallball.storage import forks
from filewallball.storage.locks.on_disk_async import AsyncDiskLocks

THREADS = 8


class InThreads:
    """Each call of the backend, to be awaited."""

    def __init__(self, backend: Any, threads: int = THREADS) -> None:
        self.backend = backend
        self._count = threads
        self._threads: ThreadPoolExecutor | None = None
        forks.tell(self)

    def after_fork(self) -> None:
        self._threads = None  # the child has none of them

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        call = getattr(self.backend, name)

        async def in_thread(*given: Any, **named: Any) -> Any:
            return await self.run(partial(call, *given, **named))

        return in_thread

    async def run(self, call: Callable[[], Any]) -> Any:
        threads = self._threads
        if threads is None:
            threads = self._threads = ThreadPoolExecutor(self._count, "storage")
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    def locks(self) -> AsyncDiskLocks:
        """Without threads: were all of them waiting, none would be left to release a lock."""
        return AsyncDiskLocks(self.backend.locks())

    async def keys(self, prefix: bytes) -> list[bytes]:
        call: Any = self.__getattr__("keys")
        return list(await call(prefix))

    async def close(self) -> None:
        """The next call opens it again, for another event loop may use it."""
        await self.__getattr__("let_go")()
        self._threads = None  # they end when nobody waits for them
