"""The cache in Redis: what is only faster with it. Whatever happens to it, callers go on without.

`degrade=True` makes it so: reads miss and writes are dropped while Redis is away, and what could not be
changed there is deleted before it is read again.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, cast

from filewallball.app.settings import Server
from filewallball.storage.asynchronous import AsyncStorage
from filewallball.storage.errors import NotAcquired, NotHeld, Unavailable

FILE_SECONDS, TEMPORARY_SECONDS = 3600, 600
FRESH_SECONDS = 5
"""After this a list is read anew; while the database is gone the old one serves on."""
PATIENCE_SECONDS = 0.3
"""How long a call may take: the cache isn't worth a longer wait."""
LEASE_SECONDS = 10.0
SHAPE = 1
"""Of all values here. Whoever changes what one looks like adds one: then servers of another version miss."""
T = TypeVar("T")


def file_key(file: str) -> str:
    return f"file:meta:{file}"


def progress_key(upload: str) -> str:
    return f"temp:upload:progress:{upload}"


class Cache:
    def __init__(self, server: Server) -> None:
        self._storage = AsyncStorage.from_url(
            server.url,
            degrade=True,
            timeout=PATIENCE_SECONDS,
            attempt_timeout=PATIENCE_SECONDS,
            **server.options(),
        )

    async def get(self, key: str) -> dict[str, Any] | None:
        """None: it isn't there, or the cache is gone."""
        found = await self._storage.get(key)
        if found is None:
            return None
        if not _ours(found):
            await self.drop(key)
            return None
        return {name: value for name, value in found.items() if name != "shape"}

    async def put(self, key: str, value: dict[str, Any], ttl: float) -> None:
        """Write what has just been changed."""
        await self._storage.set(key, {**value, "shape": SHAPE}, ttl)

    async def fill(self, key: str, value: dict[str, Any], ttl: float) -> None:
        """Write what was read, unless somebody has written meanwhile: theirs is newer."""
        await self._storage.set(key, {**value, "shape": SHAPE}, ttl, when="new")

    async def drop(self, *keys: str) -> None:
        await self._storage.delete(*keys)

    async def count(self, key: str, ttl: float, amount: int = 1) -> int | None:
        """Add to a counter; None while the cache is gone."""
        try:
            return await self._storage.incr(key, amount, ttl)
        except Unavailable:
            return None

    async def kept(self, key: str, ttl: float, load: Callable[[], Awaitable[T]]) -> T:
        """What `load` gave within the last seconds; an older one, up to `ttl`, if it raises.

        Of all servers one loads, so that the database sees no crowd.
        """

        async def shaped() -> dict[str, Any]:
            return {"shape": SHAPE, "value": await load()}

        async def found() -> Any:
            return await self._storage.get_or_compute(
                key, shaped, FRESH_SECONDS, stale=ttl - FRESH_SECONDS, lease=LEASE_SECONDS
            )

        value = await found()
        if not _ours(value):
            await self.drop(key)
            value = await found()
        return value["value"] if _ours(value) else await load()

    @asynccontextmanager
    async def alone(self, name: str, seconds: float) -> AsyncGenerator[bool]:
        """Whether no other server is at it; True too while the cache is gone, which can't tell."""
        try:
            lock = self._storage.lock(name, ttl=seconds, wait=0)
            await lock.__aenter__()
        except NotAcquired:
            yield False
            return
        except Unavailable:
            yield True
            return
        try:
            yield True
        finally:
            with suppress(NotHeld, Unavailable):
                await lock.__aexit__(None, None, None)

    async def works(self) -> bool:
        return bool((await self._storage.health_check())["healthy"])

    async def counts(self) -> tuple[int, int]:
        """Reads of this server that found a value, and those that did not."""
        found = await self._storage.stats()
        return int(found["hits"]), int(found["misses"])

    async def close(self) -> None:
        await self._storage.close()


def _ours(found: Any) -> bool:
    """Whether a value is one that this version has written, or could have."""
    return isinstance(found, dict) and cast("dict[str, Any]", found).get("shape") == SHAPE
