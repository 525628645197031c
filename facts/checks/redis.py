"""What the checks are told of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from facts import checks, redis
from facts.pods import config_file


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisTarget(checks.Section):
    """`hit_rate_min` and `memory_max` are shares, 0 to 1."""

    SECTION: ClassVar[str] = "redis"
    PLACE: ClassVar[int] = 10

    host: str
    port: int = redis.PORT
    user: str = checks.USER
    password_file: str
    conf: str = config_file(redis.CONF)
    latency_limit_ms: float = 10
    hit_rate_min: float = 0.8
    memory_max: float = 0.8
    max_connections: int = 1000
    """Those that applications may have."""
    ca_file: str | None = None
    """The authority that its certificate must be signed by. None: connections are plain."""

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def addresses(self) -> Sequence[tuple[str, int]]:
        return [(self.host, self.port)]
