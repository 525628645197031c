"""What the commands do, and print. Each gives its exit code, and raises StorageError."""

from __future__ import annotations

from pathlib import Path

from filewallball.storage import Storage
from filewallball.storage.disk import diskcache


def import_diskcache(folder: Path, url: str) -> int:
    """Copy a diskcache's entries. What is left out is told, and no reason to fail."""
    with Storage.from_url(url) as storage:
        found = diskcache.import_diskcache(folder, lambda key, value, ttl: storage.set(key, value, ttl))
    print("\n".join(found.lines()))
    return 0


def check(url: str, *, fix: bool) -> int:
    with Storage.from_url(url) as storage:
        found = storage.check(fix=fix)
    print("\n".join(found or ["OK"]))
    return 1 if found else 0


def backup(url: str, folder: Path) -> int:
    with Storage.from_url(url) as storage:
        print(storage.backup(folder))
    return 0
