"""`from server.utils.storage_manager import StorageManager`."""

from filewallball.storage import StorageManager

__all__ = ["StorageManager"]
