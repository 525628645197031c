"""A folder of this machine: its values, and its locks beside them."""

from __future__ import annotations

from filewallball.storage.backend import Locks
from filewallball.storage.disk import DiskBackend

LOCKS = "locks"
"""The folder of the locks, in that of the storage."""


class OnDisk(DiskBackend):
    """Implements Backend."""

    def locks(self) -> Locks:
        """Free at once when their holder dies."""
        from filewallball.storage.locks.on_disk import DiskLocks

        return DiskLocks(self.folder / LOCKS)
