"""The cache: its configuration, its commands, its memory, its speed."""

from __future__ import annotations

import time
from typing import cast

from facts import redis as cache
from facts.checks.redis import RedisTarget
from filewallball.checks import latency
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import crowd, redis_cache, redis_eviction, server_conf
from filewallball.checks.suites.redis_session import explain, reading, set_back, writing
from filewallball.guard import choice

EXPIRY_MS = 300
EXPIRY_PATIENCE_SECONDS = 5.0
LATENCY_SAMPLES = 400
EVICTING_POLICIES = ("allkeys-", "volatile-")


def configuration(config: ChecksConfig) -> str:
    """Every directive of the declared redis.conf is in force."""
    declared = server_conf.read(config[RedisTarget].conf, cache.CONFIG_MAP)
    with reading(config) as session:
        live = cast("dict[str, str]", session.call("CONFIG GET", "*"))
    found = server_conf.differences(declared, live, "redis.conf")
    if found:
        raise CheckFailed(
            "; ".join(map(str, found)),
            f"the server runs with {cache.CONFIG_MAP}'s {cache.CONF}",
            f"Somebody used CONFIG SET, or the pod is older than the file. Restart it: "
            f"`kubectl -n {config.namespace} rollout restart deployment/redis`.",
        )
    return f"{len(declared)} directives as declared"


def commands(config: ChecksConfig) -> str:
    """Write, read, overwrite, expire, delete: each seen to have happened."""
    with writing(config) as session:
        key, passing = session.key("commands"), session.key("commands:passing")
        for value in ("first", "둘째 값 🚀"):
            session.call("SET", key, value, "EX", 60)
            _expect(f"GET after SET {value!r}", session.call("GET", key), value, config.namespace)
        _expect("DEL", session.call("DEL", key), 1, config.namespace)
        _expect("GET after DEL", session.call("GET", key), None, config.namespace)
        session.call("SET", passing, "x", "PX", EXPIRY_MS)
        left = session.call("PTTL", passing)
        if left == -1 or left > EXPIRY_MS:
            raise CheckFailed(
                f"a key written with a TTL of {EXPIRY_MS} ms has one of {left} ms (-1: none)",
                "the TTL that was asked for",
                "Something between the client and Redis changes commands. Look for a proxy in front of it.",
            )
        begin = time.monotonic()
        while session.call("GET", passing) is not None:
            if time.monotonic() - begin > EXPIRY_PATIENCE_SECONDS:
                raise CheckFailed(
                    f"a key with a TTL of {EXPIRY_MS} ms was still there after {EXPIRY_PATIENCE_SECONDS:g} s",
                    "it is gone when its time is up",
                    f"Redis doesn't expire keys. Look at `kubectl -n {config.namespace} logs "
                    "deployment/redis`, and at the clock of its node.",
                )
            time.sleep(0.02)
    return "set, get, overwrite, delete and expiry seen"


def _expect(step: str, seen: object, expected: object, namespace: str) -> None:
    if seen != expected:
        raise CheckFailed(
            f"{step} gave {seen!r}",
            f"{expected!r}",
            "Several servers may answer under one name, or a proxy changes what they say. Look at "
            f"`kubectl -n {namespace} get endpointslices`.",
        )


def memory(config: ChecksConfig) -> str:
    """Memory in use is within its share of the limit, or the cache is full and evicts, as a cache may."""
    with reading(config) as session:
        now = session.info("memory")
        evicted = int(session.info("stats")["evicted_keys"])
    used, limit, policy = int(now["used_memory"]), int(now["maxmemory"]), str(now["maxmemory_policy"])
    if limit == 0:
        raise CheckFailed(
            f"{_mib(used)} in use and no limit: maxmemory is 0",
            "a limit, so that the kernel doesn't kill Redis when it is full",
            set_back("maxmemory", config.namespace),
        )
    share = used / limit
    seen = f"{_mib(used)} of {_mib(limit)} in use ({share:.0%}), {evicted} keys evicted, policy {policy}"
    if share > config[RedisTarget].memory_max and not (evicted and policy.startswith(EVICTING_POLICIES)):
        raise CheckFailed(
            seen,
            f"at most {config[RedisTarget].memory_max:.0%}, or evictions that explain more",
            "Find out with `redis-cli --bigkeys` what fills it. Give these keys a TTL, or raise "
            "filewallball:redis.maxmemory, and run `fwb up`."
            if policy.startswith(EVICTING_POLICIES)
            else set_back("maxmemory-policy", config.namespace),
        )
    return seen


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def connections(config: ChecksConfig) -> str:
    """Applications have connections left."""
    with reading(config) as session:
        clients = choice.read(cast("str", session.call("CLIENT", "LIST")))
    used = len(choice.of_applications(clients, choice.REDIS_USERS))
    return crowd.judge(
        {"redis": used}, config[RedisTarget].max_connections, "filewallball:redis.maxConnections"
    )


def speed(config: ChecksConfig) -> str:
    """How long a cached value takes to come and go, over the network that applications use."""
    with writing(config) as session:
        key = session.key("latency")
        session.call("SET", key, "x" * 1_000, "EX", 60)
        limit = config[RedisTarget].latency_limit_ms
        hint = (
            f"Look at `kubectl -n {config.namespace} top pod`: Redis or its node may have too little CPU, or "
            "may swap. If not, look for slow commands with `redis-cli slowlog get`."
        )
        reads = latency.judge("GET", lambda: session.call("GET", key), LATENCY_SAMPLES, limit, hint)
        writes = latency.judge(
            "SET", lambda: session.call("SET", key, "y" * 1_000, "EX", 60), LATENCY_SAMPLES, limit, hint
        )
    return f"{reads}; {writes}"


CHECKS = (
    Check("redis-config", configuration, quick=True, timeout=20, explain=explain),
    Check("redis-commands", commands, quick=True, timeout=30, explain=explain),
    Check("redis-connections", connections, quick=True, timeout=20, explain=explain),
    Check("redis-memory", memory, timeout=20, explain=explain),
    Check("redis-hit-rate", redis_cache.hit_rate, timeout=120, explain=explain),
    Check("redis-latency", speed, timeout=60, explain=explain),
    Check(
        "redis-eviction",
        redis_eviction.eviction,
        deep=True,
        harms="fills the cache until it evicts users' keys",
        timeout=180,
        explain=explain,
    ),
)

SUITE = Suite(RedisTarget, CHECKS, place=10)
