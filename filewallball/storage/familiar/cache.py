"""`CacheManager`: a cache on this machine's disk, without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filewallball.storage.familiar import environment
from filewallball.storage.storage import Storage
from filewallball.storage.urls import LEAST_SIZE, MOST_SIZE


def cache_url(folder: str | Path | None = None, max_size: int | None = None) -> str:
    """The address of the folder in CACHE_DIR, of CACHE_MAX_SIZE bytes at most, unless given."""
    where = environment.folder("CACHE_DIR", environment.CACHE_DIR, folder)
    size = max_size
    if size is None:
        size = environment.whole(
            os.environ, "CACHE_MAX_SIZE", environment.CACHE_MAX_SIZE, LEAST_SIZE, MOST_SIZE
        )
    return f"file://{quote(str(where))}?max_size={size}"


class CacheManager(Storage):
    """A cache in the folder CACHE_DIR. Values live CACHE_DEFAULT_TTL seconds, checkpoints
    CACHE_CHECKPOINT_TTL."""

    def __init__(
        self,
        cache_dir: str | Path | None = None,
        *,
        url: str | None = None,
        max_size: int | None = None,
        default_ttl: float | None = None,
        checkpoint_ttl: float | None = None,
        prefix: str = "",
    ) -> None:
        made = Storage.from_url(url or cache_url(cache_dir, max_size), prefix)
        super().__init__(
            made.backend,
            prefix,
            default_ttl=_ttl(default_ttl, "CACHE_DEFAULT_TTL", environment.CACHE_DEFAULT_TTL),
            checkpoint_ttl=_ttl(checkpoint_ttl, "CACHE_CHECKPOINT_TTL", environment.CACHE_CHECKPOINT_TTL),
        )

    def cleanup_expired(self) -> int:
        return self.cleanup()

    def get_stats(self) -> dict[str, Any]:
        return self.stats()


def _ttl(given: float | None, name: str, default: int) -> float:
    if given is not None:
        return given
    return environment.whole(os.environ, name, default, 1, environment.LONGEST_TTL)
