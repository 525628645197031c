"""Memory pressure on the real limit: the cache must shed what nobody asks for and never refuse a write."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites.redis_session import CHUNK, Session, set_back, writing

KEYS = 3_000
"""How many keys fill the cache to FILL. They are few enough that Redis' sampled LRU knows them well."""
FILL = 0.8
"""How full the cache is made first, as a share of maxmemory."""
PRESSURE = 0.6
"""What is written then, as a share of maxmemory: about half of the older keys have to go."""
HOT_EVERY = 8
"""One key out of so many is in use."""
HOT_SURVIVAL_MIN = 0.9
"""The least share of the keys in use that must stay."""
TTL_SECONDS = 600
"""The keys expire by themselves if this run is killed."""
IDLE_SECONDS = 2
"""Redis' LRU clock ticks once a second."""
BATCH_BYTES = 1 << 20


def eviction(config: ChecksConfig) -> str:
    """Fill the cache, keep an eighth of the keys in use, write on, and see what went."""
    with writing(config) as session:
        limit = int(session.info("memory")["maxmemory"])
        if limit == 0:
            raise CheckFailed(
                "no limit: maxmemory is 0",
                "a limit under which to evict",
                set_back("maxmemory", config.namespace),
            )
        value = "x" * max(64, int(limit * FILL / KEYS) - _overhead(session, limit))
        evicted = int(session.info("stats")["evicted_keys"])
        keys = [session.key(f"eviction:old:{number}") for number in range(KEYS)]
        faults = _write(session, keys, value)
        hot, cold = keys[::HOT_EVERY], [key for place, key in enumerate(keys) if place % HOT_EVERY]
        _wait_idle(session, keys[-1])
        faults += _write_on(session, hot, value)
        evicted = int(session.info("stats")["evicted_keys"]) - evicted
        kept_hot, kept_cold = _alive(session, hot) / len(hot), _alive(session, cold) / len(cold)
    seen = (
        f"{evicted} keys evicted under pressure, {kept_hot:.0%} of the keys in use survived "
        f"and {kept_cold:.0%} of the idle ones, {len(faults)} errors"
    )
    if faults:
        raise CheckFailed(
            f"{len(faults)} writes were refused under memory pressure, the first with: {faults[0]}",
            "no error, old keys make room",
            set_back("maxmemory-policy", config.namespace),
        )
    if kept_hot < HOT_SURVIVAL_MIN or kept_cold >= kept_hot or not evicted:
        raise CheckFailed(
            seen,
            f"idle keys go first, {HOT_SURVIVAL_MIN:.0%} or more of those in use stay",
            set_back("maxmemory-policy or maxmemory-samples", config.namespace),
        )
    return seen


def _overhead(session: Session, limit: int) -> int:
    """Bytes that a key of about the right size takes beyond its value (header, allocator's size class)."""
    size = max(64, int(limit * FILL / KEYS) * 3 // 4)
    probe = session.key("eviction:probe")
    session.call("SET", probe, "x" * size, "EX", TTL_SECONDS)
    return max(0, int(session.call("MEMORY USAGE", probe)) - size)


def _write(session: Session, keys: Sequence[str], value: str) -> list[str]:
    faults: list[str] = []
    step = max(1, min(CHUNK, BATCH_BYTES // len(value)))
    for start in range(0, len(keys), step):
        replies = session.batch(("SET", key, value, "EX", TTL_SECONDS) for key in keys[start : start + step])
        faults += _errors(replies)
    return faults


def _write_on(session: Session, hot: Sequence[str], value: str) -> list[str]:
    """Write fresh keys while the hot ones stay in use."""
    fresh = [session.key(f"eviction:new:{number}") for number in range(int(KEYS * PRESSURE / FILL))]
    faults: list[str] = []
    for start in range(0, len(fresh), 100):
        session.call("TOUCH", *hot)
        faults += _write(session, fresh[start : start + 100], value)
    return faults


def _errors(replies: Sequence[Any]) -> list[str]:
    return [str(reply) for reply in replies if isinstance(reply, RedisError)]


def _alive(session: Session, keys: Sequence[str]) -> int:
    return sum(
        int(session.call("EXISTS", *keys[start : start + CHUNK])) for start in range(0, len(keys), CHUNK)
    )


def _wait_idle(session: Session, key: str) -> None:
    """Wait until the key counts as unused for a while: the keys touched after that are younger."""
    while True:
        idle = session.batch([("OBJECT IDLETIME", key)])[0]
        if not isinstance(idle, int) or idle >= IDLE_SECONDS:  # no int: evicted already, or an LFU policy
            return
        time.sleep(0.1)
