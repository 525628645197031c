"""`RedisClient`: the cache of one Redis server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from filewallball.storage.errors import WrongSetting
from filewallball.storage.familiar.environment import RedisConfig, get_redis_config
from filewallball.storage.storage import Storage

UNITS = (("G", 1 << 30), ("M", 1 << 20), ("K", 1 << 10))


def human(size: int) -> str:
    """Bytes as Redis writes them: 1.02M."""
    for unit, factor in UNITS:
        if size >= factor:
            return f"{size / factor:.2f}{unit}"
    return f"{size}B"


def url_of(config: RedisConfig) -> str:
    """The address that these settings mean; the account stands beside it."""
    host = f"[{config['host']}]" if ":" in config["host"] else config["host"]
    scheme = "rediss" if config["ca_file"] else "redis"
    ca_file = f"&ca_file={quote(config['ca_file'])}" if config["ca_file"] else ""
    return f"{scheme}://{host}:{config['port']}/{config['db']}?max_connections={config['max_connections']}{ca_file}"


class RedisClient(Storage):
    """A storage on the Redis that `config` names; by default the one of the environment
    (`get_redis_config`)."""

    def __init__(
        self, config: Mapping[str, Any] | None = None, *, prefix: str = "", degrade: bool = False
    ) -> None:
        settings = get_redis_config()
        for name, value in (config or {}).items():
            if name not in settings:
                raise WrongSetting(f"There is no setting {name!r}. Use {', '.join(settings)}.")
            settings[name] = value
        made = Storage.from_url(
            url_of(settings), prefix, degrade=degrade, user=settings["user"], password=settings["password"]
        )
        super().__init__(made.backend, prefix, degrade=degrade)

    def set_with_ttl(self, key: str, value: object, ttl: float) -> bool:
        """Whether it was written. `ttl`: seconds to live, see CacheTTL."""
        return self.set(key, value, ttl)

    def ping(self) -> bool:
        """Whether the server can be used."""
        return bool(self.health_check()["healthy"])

    def get_info(self) -> dict[str, Any]:
        """What the server is: `version`, `used_memory` for people, `used_memory_bytes`, `uptime_seconds` …"""
        facts = dict(self.backend.facts())
        size, most = int(facts.pop("size")), int(facts.pop("max_size"))
        return {
            **facts,
            "used_memory": human(size),
            "used_memory_bytes": size,
            "max_memory": human(most) if most else "no limit",
            "max_memory_bytes": most,
        }

    def get_stats(self) -> dict[str, Any]:
        """How the cache is used: `hit_rate` in percent, `hits` and `misses` of all clients since the server's
        start.

        `own` has what this client has seen itself.
        """
        facts = self.backend.facts()
        hits, misses = int(facts["hits"]), int(facts["misses"])
        return {
            "hit_rate": round(100 * hits / (hits + misses), 2) if hits + misses else 0.0,
            "hits": hits,
            "misses": misses,
            "keys": facts["keys"],
            "evicted": facts["evicted"],
            "expired": facts["expired"],
            "memory_percent": _share(facts),
            "own": self._values.counts.told(),
        }


def _share(facts: Mapping[str, Any]) -> float | None:
    """Of the memory that it may use, in percent; None without a limit."""
    most = int(facts["max_size"])
    return round(100 * int(facts["size"]) / most, 2) if most else None
