"""`AsyncStorage`: the same interface for asyncio; on a disk by threads, so that no loop waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from filewallball.storage import forks, opening
from filewallball.storage.backend import When
from filewallball.storage.cleaning import awaited_attempt
from filewallball.storage.holding import async_held_lock
from filewallball.storage.logic import kept
from filewallball.storage.logic.computed import Computed
from filewallball.storage.logic.documents import ROOT, Documents
from filewallball.storage.logic.given import finite, lasting, seconds
from filewallball.storage.logic.kept import CHECKPOINT, CHECKPOINT_SECONDS, WORKFLOW, Kept
from filewallball.storage.logic.values import Keep, Values
from filewallball.storage.opening import Local
from filewallball.storage.steps import Awaiting, awaited
from filewallball.storage.storage import CLEAN_SECONDS, LEASE_SECONDS, LOCK_SECONDS, STALE_SECONDS


class AsyncStorage:
    """As `Storage`, which describes the calls; here they are awaited. For any number of event loops."""

    def __init__(
        self,
        backend: Any,
        prefix: str = "",
        *,
        default_ttl: float | None = None,
        checkpoint_ttl: float | None = CHECKPOINT_SECONDS,
        degrade: bool = False,
        locks: Callable[[], Any] | None = None,
    ) -> None:
        self.backend = backend
        self.prefix = prefix
        self._io = Awaiting(backend)
        self._values = Values(prefix, default_ttl=default_ttl, degrade=degrade)
        self._documents = Documents(self._values)
        self._computed = Computed(self._values)
        self._kept = Kept(self._values, seconds(checkpoint_ttl))
        self._make_locks = locks or backend.locks
        self._locks: Any = None
        self._cleaner: asyncio.Task[None] | None = None
        forks.tell(self)

    @classmethod
    def from_url(
        cls,
        url: str,
        prefix: str = "",
        *,
        default_ttl: float | None = None,
        checkpoint_ttl: float | None = CHECKPOINT_SECONDS,
        degrade: bool = False,
        local: Local | None = None,
        **options: Any,
    ) -> AsyncStorage:
        """As `Storage.from_url`; needs no running loop."""
        where = opening.address(url, options)
        backend = opening.async_backend(where, prefix, local)
        return cls(
            backend,
            prefix,
            default_ttl=default_ttl,
            checkpoint_ttl=checkpoint_ttl,
            degrade=degrade,
        )

    __reduce__ = opening.unpicklable

    def after_fork(self) -> None:
        self._cleaner = None

    # values
    async def get(self, key: str, default: Any = None) -> Any:
        return await awaited(self._values.get(key, default), self._io)

    async def set(
        self, key: str, value: object, ttl: float | Keep | None = "default", *, when: When = "always"
    ) -> bool:
        """Whether it was written. `when`: "new", only if there is none; "present", only over one."""
        return await awaited(self._values.set(key, value, ttl, when), self._io)

    async def delete(self, *keys: str) -> int:
        """How many there were."""
        return await awaited(self._values.delete(keys), self._io)

    async def exists(self, key: str) -> bool:
        return await awaited(self._values.exists(key), self._io)

    async def ttl(self, key: str) -> float | None:
        """Seconds left; None: for ever. Raises KeyError if there is no such key."""
        return await awaited(self._values.ttl(key), self._io)

    async def expire(self, key: str, ttl: float | None) -> bool:
        """A new time to live from now on; whether there is such a key."""
        return await awaited(self._values.expire(key, ttl), self._io)

    async def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those keys that are there."""
        return await awaited(self._values.get_many(keys), self._io)

    async def set_many(self, items: Mapping[str, object], ttl: float | Keep | None = "default") -> bool:
        """Whether they were written. Not one step: others may see some of them first."""
        return await awaited(self._values.set_many(items, ttl), self._io)

    async def delete_many(self, keys: Iterable[str]) -> int:
        """How many there were."""
        return await awaited(self._values.delete(keys), self._io)

    async def incr(self, key: str, amount: int = 1, ttl: float | None = None) -> int:
        """Add to a counter, which begins with 0; its new value. `ttl` counts from its first use on.

        Never counted twice: where the answer was lost with the connection, Unavailable says that it may have
        been.
        """
        return await awaited(self._values.add(key, amount, ttl), self._io)

    async def decr(self, key: str, amount: int = 1, ttl: float | None = None) -> int:
        """As `incr`, downwards."""
        return await awaited(self._values.add(key, amount, ttl, sign=-1), self._io)

    async def change(
        self, key: str, function: Callable[[Any], Any], ttl: float | Keep | None = "default"
    ) -> Any:
        """As `Storage.change`; `function` is not awaited."""
        return await awaited(self._values.change(key, function, ttl), self._io)

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin so, sorted. It reads all of the store's keys: not for each request."""
        return await awaited(self._values.keys(prefix), self._io)

    async def clear(self, prefix: str = "") -> int:
        """Delete the keys that begin so; how many. Refused where that would be every key of the store."""
        return await awaited(self._values.clear(prefix), self._io)

    # JSON
    async def get_json(self, key: str, path: str = ROOT, default: Any = None) -> Any:
        """What stands at a JSONPath of a document: a list of all, where the path can mean several places."""
        return await awaited(self._documents.get(key, path, default), self._io)

    async def set_json(
        self, key: str, value: Any, ttl: float | Keep | None = "default", *, path: str = ROOT
    ) -> bool:
        """Store a document, or replace what stands at a path of it, in one step; `ttl` is kept unless given.

        Raises WrongValue if there is no such place. A member that is new is added to the object around it.
        """
        return await awaited(self._documents.set(key, value, ttl, path), self._io)

    # what is computed
    async def get_or_compute(
        self,
        key: str,
        function: Callable[[], Any],
        ttl: float | Keep | None = "default",
        *,
        stale: float = STALE_SECONDS,
        beta: float = 1.0,
        lease: float = LEASE_SECONDS,
    ) -> Any:
        """The value; where there is none, what `function` returns, which is then stored.

        Of all threads and processes one computes; the others wait, or get the old value, which is kept for
        `stale` more seconds and is also what they get if `function` raises. `beta`: how eagerly a value is
        computed again before its end; 0: not before. `lease`: seconds for one computation; whoever waits
        longer computes, too. The clocks of the machines should agree to about a second.
        """
        return await awaited(self._computed.get(key, function, ttl, stale, beta, lease), self._io)

    # locks
    @property
    def locks(self) -> Any:
        """The locks themselves, their calls to be awaited; their names have no prefix of this storage."""
        if self._locks is None:
            self._locks = self._make_locks()
        return self._locks

    @asynccontextmanager
    async def lock(
        self, name: str, ttl: float = LOCK_SECONDS, wait: float | None = None
    ) -> AsyncGenerator[int]:
        """As `Storage.lock`, with `async with`."""
        most = None if wait is None else finite("wait", wait, 0)
        held = await self.locks.acquire(self._values.key(name).decode(), lasting("ttl", ttl), most)
        async with async_held_lock(held) as token:
            yield token

    # checkpoints and workflows
    async def save_checkpoint(self, name: str, data: object, ttl: float | Keep | None = "default") -> bool:
        """Keep a state of some work under a name, for seven days unless told otherwise. Never degrades."""
        return await awaited(self._kept.save(CHECKPOINT, name, data, ttl), self._io)

    async def load_checkpoint(self, name: str, default: Any = None) -> Any:
        return await awaited(self._kept.load(CHECKPOINT, name, default), self._io)

    async def delete_checkpoint(self, name: str) -> bool:
        return await awaited(self._kept.delete(CHECKPOINT, name), self._io)

    async def list_checkpoints(self, prefix: str = "") -> list[str]:
        return await awaited(self._kept.names(CHECKPOINT, prefix), self._io)

    async def set_workflow_state(
        self, workflow: str, state: Mapping[str, Any], ttl: float | Keep | None = "default"
    ) -> bool:
        return await awaited(self._kept.save(WORKFLOW, workflow, kept.state(state), ttl), self._io)

    async def get_workflow_state(self, workflow: str, default: Any = None) -> Any:
        return await awaited(self._kept.load(WORKFLOW, workflow, default), self._io)

    async def update_workflow_state(
        self, workflow: str, changes: Mapping[str, Any], ttl: float | Keep | None = "default"
    ) -> dict[str, Any]:
        """Change these members in one step; the whole new state; `ttl` is kept unless given."""
        return await awaited(self._kept.update(workflow, changes, ttl), self._io)

    async def delete_workflow_state(self, workflow: str) -> bool:
        return await awaited(self._kept.delete(WORKFLOW, workflow), self._io)

    async def list_workflows(self, prefix: str = "") -> list[str]:
        return await awaited(self._kept.names(WORKFLOW, prefix), self._io)

    # looking after it
    async def stats(self) -> dict[str, Any]:
        """What this process has seen, `hit_rate` in percent; `store`: what the store tells of all."""
        return await awaited(self._values.stats(), self._io)

    async def health_check(self) -> dict[str, Any]:
        """Whether a value can be written, read and deleted: `status`, `healthy`, `latency_ms`, `error`."""
        return await awaited(self._values.health(), self._io)

    async def cleanup(self) -> int:
        """Remove what has expired; how many. A server does that by itself: then it is 0."""
        return await self.backend.cleanup()

    async def cleanup_expired_checkpoints(self) -> int:
        """As `cleanup`, which all kinds of entries share."""
        return await self.cleanup()

    async def cleanup_expired_locks(self) -> int:
        """Remove what is left of locks that ran out; how many."""
        return await self.locks.cleanup()

    def start_cleaning(self, every: float = CLEAN_SECONDS) -> None:
        """Clean up every so many seconds, in a task of the running loop, until `close`."""
        pause = finite("every", every, 0.01)
        if self._cleaner is None or self._cleaner.done():
            self._cleaner = asyncio.get_running_loop().create_task(self._clean(pause))

    async def _clean(self, every: float) -> None:
        while True:
            await asyncio.sleep(every)
            await awaited_attempt(self.cleanup)
            await awaited_attempt(self.cleanup_expired_locks)

    async def check(self, *, fix: bool = False) -> Sequence[str]:
        """What is wrong in the store, one sentence each; with `fix`, mended where possible."""
        return await self.backend.check(fix=fix)

    async def backup(self, folder: str | Path) -> Path:
        """A copy of one moment, in a new file or folder below, while others write. Raises StorageError."""
        return await self.backend.backup(Path(folder))

    async def close(self) -> None:
        """Give back the running loop's connections."""
        if self._cleaner is not None:
            self._cleaner.cancel()
            self._cleaner = None
        await self.backend.close()

    async def __aenter__(self) -> AsyncStorage:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
