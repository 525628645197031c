"""`from server.utils.cache_manager import CacheManager`."""

from filewallball.storage import CacheManager

__all__ = ["CacheManager"]
