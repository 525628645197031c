"""Ways to reach a server, and the locks of asyncio as if they blocked, so that one test serves both."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis_lab import Server, wait_for

from filewallball.storage.locks.on_redis import RedisLocks
from filewallball.storage.locks.on_redis_async import AsyncRedisHeld, AsyncRedisLocks

T = TypeVar("T")
LONG = 600.0
"""A time to live that no test waits for, in seconds."""
WAYS = ["threads", "asyncio"]


class Direct:
    """One server. Passing errors are tried again for `seconds`; the next `lose` answers get lost."""

    def __init__(self, client: Any, seconds: float = 0) -> None:
        self.client = client
        self.lose = 0
        self._seconds = seconds

    def call(self, function: Callable[[redis.Redis], T]) -> T:
        until = time.monotonic() + self._seconds
        while True:
            try:
                answer = function(self.client)
                self._perhaps_lost()
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise
            except redis.TimeoutError:
                if time.monotonic() > until:
                    raise
            else:
                return answer

    def _perhaps_lost(self) -> None:
        if self.lose:
            self.lose -= 1
            raise redis.ConnectionError("the answer got lost")


class AsyncDirect(Direct):
    """The same for asyncio."""

    async def call(self, function: Callable[[Any], Awaitable[T]]) -> T:  # type: ignore[override]
        until = time.monotonic() + self._seconds
        while True:
            try:
                answer = await function(self.client)
                self._perhaps_lost()
            except (redis.ConnectionError, redis.TimeoutError):
                if time.monotonic() > until:
                    raise
            else:
                return answer


class Loop:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@dataclass
class BlockingHeld:
    """What AsyncRedisLocks gave."""

    held: AsyncRedisHeld
    run: Callable[[Any], Any]

    @property
    def token(self) -> int:
        return self.held.token

    def extend(self, ttl: float) -> None:
        self.run(self.held.extend(ttl))

    def release(self) -> None:
        self.run(self.held.release())


class Blocking:
    """AsyncRedisLocks for threads."""

    def __init__(self, loop: Loop, locks: AsyncRedisLocks) -> None:
        self._run = loop.run
        self.locks = locks

    def acquire(self, name: str, ttl: float, wait: float | None = None) -> BlockingHeld:
        return BlockingHeld(self._run(self.locks.acquire(name, ttl, wait)), self._run)

    def cleanup(self) -> int:
        return self._run(self.locks.cleanup())

    def held(self) -> list[str]:
        return self._run(self.locks.held())


@dataclass
class Maker:
    """Makes the locks of one way."""

    way: str
    server: Server
    loop: Loop

    def calls(self, seconds: float = 0, **options: Any) -> Any:
        if self.way == "threads":
            return Direct(redis.Redis(port=self.server.port, **options), seconds)
        return AsyncDirect(redis.asyncio.Redis(port=self.server.port, **options), seconds)

    def __call__(self, calls: Any = None, prefix: str = "", epoch: Any = None, replicas: int = 0) -> Any:
        calls = calls or self.calls()
        if self.way == "threads":
            return RedisLocks(calls, prefix, epoch=epoch, replicas=replicas)

        async def asked() -> int:
            return epoch()

        locks = AsyncRedisLocks(calls, prefix, epoch=asked if epoch else None, replicas=replicas)
        return Blocking(self.loop, locks)


def waiting(server: Server, name: str, count: int) -> None:
    """Return once so many stand in the queue."""
    client = server.client()
    key = f"lock:{{{name}}}:queue"
    wait_for(lambda: client.llen(key) == count, 20, lambda: str(client.lrange(key, 0, -1)))
