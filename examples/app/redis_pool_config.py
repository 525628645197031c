"""`from app.redis_pool_config import get_redis_config`."""

from filewallball.storage import get_redis_config

__all__ = ["get_redis_config"]
