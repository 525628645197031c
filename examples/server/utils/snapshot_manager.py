"""`from server.utils.snapshot_manager import SnapshotManager`."""

from filewallball.storage import SnapshotManager

__all__ = ["SnapshotManager"]
