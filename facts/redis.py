"""The cache: where it answers, and who its users are. files/redis/users.acl makes these users."""

from __future__ import annotations

from typing import Final

NAME: Final = "redis"
"""The name of the Service, the Deployment and the container."""
PORT: Final = 6379
CREDENTIALS: Final = "redis-credentials"
"""The Secret with a password for each of USERS."""
USERS: Final = ("app", "checks")
CONFIG_MAP: Final = "redis-advanced-configmap"
CONF: Final = "redis.conf"
