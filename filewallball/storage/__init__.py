"""What applications use of the stack: a cache, sessions, locks, over Redis, Valkey or a folder.

    from filewallball.storage import Storage

    storage = Storage.from_url("redis://localhost:6379/0", prefix="app:")
    storage.set("greeting", "hello", ttl=60)

Imports nothing else of this project, and a library only when it is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from filewallball.storage.errors import (
    Damaged,
    Full,
    NotAcquired,
    NotHeld,
    StorageError,
    Unavailable,
    WrongSetting,
    WrongValue,
)

if TYPE_CHECKING:
    from filewallball.storage.asynchronous import AsyncStorage
    from filewallball.storage.familiar.cache import CacheManager
    from filewallball.storage.familiar.client import RedisClient
    from filewallball.storage.familiar.environment import get_redis_config
    from filewallball.storage.familiar.managers import DistributedLockManager, StorageManager
    from filewallball.storage.familiar.names import CacheKeys, CacheTTL
    from filewallball.storage.familiar.snapshots import SnapshotManager
    from filewallball.storage.opening import Local
    from filewallball.storage.storage import Storage

_LATER = {
    "AsyncStorage": "asynchronous",
    "CacheKeys": "familiar.names",
    "CacheManager": "familiar.cache",
    "CacheTTL": "familiar.names",
    "DistributedLockManager": "familiar.managers",
    "Local": "opening",
    "RedisClient": "familiar.client",
    "SnapshotManager": "familiar.snapshots",
    "Storage": "storage",
    "StorageManager": "familiar.managers",
    "get_redis_config": "familiar.environment",
}

__all__ = [
    "AsyncStorage",
    "CacheKeys",
    "CacheManager",
    "CacheTTL",
    "Damaged",
    "DistributedLockManager",
    "Full",
    "Local",
    "NotAcquired",
    "NotHeld",
    "RedisClient",
    "SnapshotManager",
    "Storage",
    "StorageError",
    "StorageManager",
    "Unavailable",
    "WrongSetting",
    "WrongValue",
    "get_redis_config",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
