"""`from server.utils.lock_manager import DistributedLockManager`."""

from filewallball.storage import DistributedLockManager

__all__ = ["DistributedLockManager"]
