"""The managers of a storage on this machine's disk, without a server; or on one, by its address."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filewallball.storage import opening
from filewallball.storage.backend import Held, Locks
from filewallball.storage.errors import NotAcquired, NotHeld
from filewallball.storage.familiar import environment
from filewallball.storage.familiar.cache import CacheManager
from filewallball.storage.familiar.snapshots import SnapshotManager
from filewallball.storage.holding import held_lock
from filewallball.storage.logic.given import finite, lasting
from filewallball.storage.logic.values import Keep, Values
from filewallball.storage.storage import Storage

LOCK_SECONDS = 30.0
WAIT_SECONDS = 10.0


class DistributedLockManager:
    """Locks by name in the folder LOCK_DIR, for all threads and processes of this machine; or on a server.

    Only one holder at a time: see docs/storage-locks.md for what is promised where.
    """

    def __init__(
        self,
        lock_dir: str | Path | None = None,
        *,
        url: str | None = None,
        default_ttl: float = LOCK_SECONDS,
    ) -> None:
        self.default_ttl = default_ttl
        self._storage = Storage.from_url(url) if url else None
        if self._storage:
            self._locks: Locks = self._storage.locks
        else:
            self._locks = opening.disk_locks(environment.folder("LOCK_DIR", environment.LOCK_DIR, lock_dir))
        self._of_thread = threading.local()
        self._names = Values()

    __reduce__ = opening.unpicklable

    @property
    def _held(self) -> dict[str, Held]:
        """Of this thread. By its number it would be a later one's, too."""
        return self._of_thread.__dict__.setdefault("held", {})

    def acquire_lock(
        self, name: str, ttl: float | None = None, wait: float | None = WAIT_SECONDS
    ) -> int | None:
        """The fencing token, which is above 0; None if somebody else kept the lock for `wait` seconds."""
        try:
            held = self._acquired(name, ttl, wait)
        except NotAcquired:
            return None
        self._held[name] = held
        return held.token

    def release_lock(self, name: str) -> bool:
        """Whether this thread still held it."""
        held = self._held.pop(name, None)
        if held is None:
            return False
        try:
            held.release()
        except NotHeld:
            return False
        return True

    def extend_lock(self, name: str, ttl: float | None = None) -> bool:
        """Whether this thread still holds it, now for `ttl` seconds more."""
        held = self._held.get(name)
        if held is None:
            return False
        try:
            held.extend(self._seconds(ttl))
        except NotHeld:
            del self._held[name]
            return False
        return True

    @contextmanager
    def lock(self, name: str, ttl: float | None = None, wait: float | None = None) -> Generator[int]:
        """Hold a lock inside `with`; it gives the fencing token. Raises NotAcquired, NotHeld at the end."""
        with held_lock(self._acquired(name, ttl, wait)) as token:
            yield token

    def _acquired(self, name: str, ttl: float | None, wait: float | None) -> Held:
        text = self._names.key(name).decode()
        return self._locks.acquire(
            text, self._seconds(ttl), None if wait is None else finite("wait", wait, 0)
        )

    def _seconds(self, ttl: float | None) -> float:
        return lasting("ttl", self.default_ttl if ttl is None else ttl)

    def is_locked(self, name: str) -> bool:
        return name in self._locks.held()

    def list_locks(self) -> list[str]:
        return sorted(self._locks.held())

    def cleanup_expired_locks(self) -> int:
        return self._locks.cleanup()

    def close(self) -> None:
        if self._storage:
            self._storage.close()


class StorageManager:
    """Cache, locks and snapshots together: on this machine's disk, or at `url` (or STORAGE_URL) on a
    server."""

    def __init__(
        self,
        url: str | None = None,
        *,
        cache_dir: str | Path | None = None,
        lock_dir: str | Path | None = None,
    ) -> None:
        url = url or os.environ.get("STORAGE_URL") or None
        self.cache = CacheManager(cache_dir, url=url)
        self.locks = DistributedLockManager(lock_dir, url=url)
        self.snapshots = SnapshotManager(self.cache)

    def set(self, key: str, value: object, ex: float | Keep | None = "default", *, nx: bool = False) -> bool:
        """As the SET of Redis: `ex`: seconds to live, `nx`: only if there is none."""
        return self.cache.set(key, value, ex, when="new" if nx else "always")

    def get(self, key: str, default: Any = None) -> Any:
        return self.cache.get(key, default)

    def delete(self, *keys: str) -> int:
        return self.cache.delete(*keys)

    def exists(self, key: str) -> bool:
        return self.cache.exists(key)

    def expire(self, key: str, ttl: float) -> bool:
        return self.cache.expire(key, ttl)

    def incr(self, key: str, amount: int = 1) -> int:
        return self.cache.incr(key, amount)

    def set_json(
        self, key: str, value: Any, ttl: float | Keep | None = "default", *, path: str = "$"
    ) -> bool:
        return self.cache.set_json(key, value, ttl, path=path)

    def get_json(self, key: str, path: str = "$", default: Any = None) -> Any:
        return self.cache.get_json(key, path, default)

    def lock(self, name: str, ttl: float | None = None, wait: float | None = None) -> Any:
        return self.locks.lock(name, ttl, wait)

    def save_checkpoint(self, name: str, data: object, ttl: float | Keep | None = "default") -> bool:
        return self.cache.save_checkpoint(name, data, ttl)

    def load_checkpoint(self, name: str, default: Any = None) -> Any:
        return self.cache.load_checkpoint(name, default)

    def delete_checkpoint(self, name: str) -> bool:
        return self.cache.delete_checkpoint(name)

    def set_workflow_state(self, workflow: str, state: Mapping[str, Any]) -> bool:
        return self.cache.set_workflow_state(workflow, state)

    def get_workflow_state(self, workflow: str, default: Any = None) -> Any:
        return self.cache.get_workflow_state(workflow, default)

    def update_workflow_state(self, workflow: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        return self.cache.update_workflow_state(workflow, changes)

    def health_check(self) -> dict[str, Any]:
        """`status`, and what the cache and the locks say."""
        cache = self.cache.health_check()
        return {**cache, "locks": self.locks.list_locks() if cache["healthy"] else None}

    def cleanup_expired_locks(self) -> int:
        return self.locks.cleanup_expired_locks()

    def cleanup_expired_checkpoints(self) -> int:
        return self.cache.cleanup_expired_checkpoints()

    def get_stats(self) -> dict[str, Any]:
        return self.cache.stats()

    def close(self) -> None:
        self.cache.close()
        self.locks.close()
