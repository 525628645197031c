"""`from app.redis_client import RedisClient, CacheKeys, CacheTTL`."""

from filewallball.storage import CacheKeys, CacheTTL, RedisClient

__all__ = ["CacheKeys", "CacheTTL", "RedisClient"]
