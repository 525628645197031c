"""States of a thing over time, each under an id of its own."""

from __future__ import annotations

import time
import uuid
from typing import Any

from filewallball.storage.errors import WrongValue
from filewallball.storage.familiar.cache import CacheManager
from filewallball.storage.logic.values import Keep
from filewallball.storage.storage import Storage

SNAPSHOT = "snapshot:"


class SnapshotManager:
    """Snapshots in a storage, as JSON. Ids are in the order of saving, as far as the machines' clocks
    agree."""

    def __init__(self, storage: Storage | None = None) -> None:
        self.storage = storage or CacheManager()

    def save_snapshot(self, name: str, data: Any, ttl: float | Keep | None = None) -> str:
        """Keep a state of `name`, for ever unless told otherwise; its id."""
        made = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
        self.storage.set_json(self._key(name, made), data, ttl)
        return made

    def load_snapshot(self, name: str, snapshot: str | None = None, default: Any = None) -> Any:
        """The state with this id, or the newest one."""
        if snapshot is None:
            ids = self.list_snapshots(name)
            if not ids:
                return default
            snapshot = ids[-1]
        return self.storage.get_json(self._key(name, snapshot), default=default)

    def list_snapshots(self, name: str) -> list[str]:
        """The ids, the oldest first."""
        beginning = self._key(name, "")
        return [key[len(beginning) :] for key in self.storage.keys(beginning)]

    def delete_snapshot(self, name: str, snapshot: str | None = None) -> int:
        """Delete one, or all of `name`; how many there were."""
        if snapshot is None:
            return self.storage.clear(self._key(name, ""))
        return self.storage.delete(self._key(name, snapshot))

    def _key(self, name: str, snapshot: str) -> str:
        if not isinstance(name, str) or not name or "/" in name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongValue(f"The name is {name!r}. Write a text without '/', such as 'order:42'.")
        return f"{SNAPSHOT}{name}/{snapshot}"
