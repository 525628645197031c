"""Every Redis check passes on a sound server, and fails with a useful hint on one that is really broken."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from facts.checks.redis import RedisTarget
from filewallball.checks import latency
from filewallball.checks.suites import redis_cache
from filewallball.checks.suites.redis_session import CLIENT_NAME, PREFIX, Session

WIDE = 500  # milliseconds: what these servers share a machine with says nothing about them
ALL = ["redis-config", "redis-commands", "redis-memory", "redis-hit-rate", "redis-latency", "redis-eviction"]


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the entries and look-ups, for what shows whatever their number."""
    for name in ("ENTRIES", "LOOKUPS"):
        monkeypatch.setattr(redis_cache, name, getattr(redis_cache, name) // 10)


@pytest.mark.parametrize("name", ALL)
def test_sound_server_passes_and_nothing_is_left(redis_server, check, name):
    conf = 'maxmemory 24mb\nmaxmemory-policy allkeys-lru\nsave ""\n'
    server = redis_server(conf)
    server.root.set("app:key", "theirs")
    result = check(name, redis=replace(server.target, latency_limit_ms=WIDE))
    assert result.status == "ok", result.line()
    assert server.root.keys(PREFIX + "*") == []


def test_config_that_was_changed_by_hand(redis_server, check):
    server = redis_server()
    server.root.config_set("maxmemory-policy", "noeviction")
    server.root.config_set("maxmemory", "1gb")
    result = check("redis-config", redis=server.target)
    assert result.status == "failed"
    assert "maxmemory-policy is noeviction, redis.conf says allkeys-lru" in result.observed
    assert "maxmemory is 1073741824, redis.conf says 256mb" in result.observed
    assert "CONFIG SET" in result.hint
    assert "rollout restart deployment/redis" in result.hint


def test_config_file_that_is_not_mounted(redis_server, check):
    target = replace(redis_server().target, conf="/nonexistent/redis.conf")
    result = check("redis-config", redis=target)
    assert result.status == "failed"
    assert "redis-advanced-configmap" in result.hint


def test_commands_where_keys_do_not_expire(redis_server, check, proxy):
    server = redis_server()
    through = proxy(server.target, [(b"$2\r\nPX\r\n$3\r\n300\r\n", b"$2\r\nPX\r\n$5\r\n90000\r\n")])
    result = check("redis-commands", redis=through)
    assert result.status == "failed"
    assert "with a TTL of 300 ms has one of" in result.observed
    assert "proxy" in result.hint


def test_commands_where_deletes_are_not_allowed(redis_server, check):
    rules = "~fwb:check:* +@all -del"
    result = check("redis-commands", redis=redis_server(rules=rules).target)
    assert result.status == "failed"
    assert "ACL" in result.hint


def test_memory_without_a_limit(redis_server, check):
    result = check("redis-memory", redis=redis_server("maxmemory 0").target)
    assert result.status == "failed"
    assert "filewallball:redis.maxmemory" in result.hint


def test_memory_filled_without_eviction(redis_server, check):
    server = redis_server("maxmemory 4mb\nmaxmemory-policy noeviction")
    with suppress(redis.OutOfMemoryError):
        for number in range(200):
            server.root.set(f"big:{number}", "x" * 50_000)
    result = check("redis-memory", redis=server.target)
    assert result.status == "failed"
    assert "0 keys evicted, policy noeviction" in result.observed
    assert "changed maxmemory-policy" in result.hint


def test_memory_that_is_full_because_the_cache_evicts_is_fine(redis_server, check):
    server = redis_server("maxmemory 4mb\nmaxmemory-policy allkeys-lru")
    for number in range(200):
        server.root.set(f"big:{number}", "x" * 50_000)
    result = check("redis-memory", redis=server.target)
    assert result.status == "ok", result.line()
    assert "keys evicted, policy allkeys-lru" in result.observed


@pytest.mark.parametrize("limit", ["3mb", pytest.param("4mb", marks=pytest.mark.nightly)])
def test_hit_rate_with_too_little_memory(redis_server, check, limit):
    result = check(
        "redis-hit-rate", redis=redis_server(f"maxmemory {limit}\nmaxmemory-policy allkeys-lru").target
    )
    assert result.status == "failed"
    assert result.observed.startswith("hit rate 0.")
    assert "Raise filewallball:redis.maxmemory" in result.hint


def test_hit_rate_where_writes_are_refused(redis_server, check):
    server = redis_server("maxmemory 3mb\nmaxmemory-policy noeviction")
    result = check("redis-hit-rate", redis=server.target)
    assert result.status == "failed"
    assert "writes were refused" in result.observed
    assert "changed maxmemory-policy" in result.hint
    assert server.root.keys(PREFIX + "*") == []


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("changed", "seen", "hint"),
    [
        pytest.param(b"$2\r\nEX\r\n$1\r\n5\r\n", "file:meta:* expires in", "shortens TTLs", id="short"),
        pytest.param(
            b"$2\r\nEX\r\n$1\r\n0\r\n",
            "invalid expire time",
            "TTL of 0",
            id="zero",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            b"$4\r\nPXAT\r\n$1\r\n1\r\n",
            "hit rate 0.",
            "Look for what shortens TTLs",
            id="past",
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_hit_rate_with_broken_lifetimes(redis_server, check, proxy, changed, seen, hint):
    server = redis_server()
    policy = b"$2\r\nEX\r\n$4\r\n3600\r\n"
    through = proxy(server.target, [(policy, changed)])
    result = check("redis-hit-rate", redis=through)
    assert result.status == "failed"
    assert seen in result.observed
    assert hint in result.hint


@pytest.mark.usefixtures("brief")
def test_hit_rate_with_keys_that_never_expire(redis_server, check, proxy):
    server = redis_server()
    persist = (b"$2\r\nEX\r\n$5\r\n86400\r\n", b"$2\r\nNX\r\n$7\r\nKEEPTTL\r\n")
    result = check("redis-hit-rate", redis=proxy(server.target, [persist]))
    assert result.status == "failed"
    assert "session:user:* never expires instead of 86400 s" in result.observed


@pytest.mark.usefixtures("brief")
def test_hit_rate_where_somebody_empties_the_cache(redis_server, check, background):
    server = redis_server()
    background(server.root.flushall)
    result = check("redis-hit-rate", redis=server.target)
    assert result.status == "failed"
    assert "FLUSHALL" in result.hint


@pytest.mark.usefixtures("brief")
def test_hit_rate_tells_apart_what_other_clients_do(redis_server, check, background):
    server = redis_server()
    background(lambda: server.root.get("app:missing"))
    result = check("redis-hit-rate", redis=server.target)
    assert result.status == "ok", result.line()
    assert "look-ups were other clients'" in result.observed


@pytest.mark.usefixtures("brief")
def test_hit_rate_with_counters_reset_meanwhile(redis_server, check, background):
    server = redis_server()
    background(server.root.config_resetstat)
    result = check("redis-hit-rate", redis=server.target)
    assert result.status == "failed"
    assert "CONFIG RESETSTAT" in result.hint


@pytest.mark.parametrize(
    "every",
    [pytest.param(1, id="throughout", marks=pytest.mark.nightly), pytest.param(20, id="now and then")],
)
def test_latency_of_a_slow_network(redis_server, check, proxy, every, monkeypatch):
    monkeypatch.setattr(latency, "ROUND_SECONDS", 0.5)
    through = proxy(redis_server().target, delay=0.1, every=every)
    result = check("redis-latency", redis=replace(through, latency_limit_ms=10))
    assert result.status == "failed"
    assert result.expected == "p99 within 10 ms"
    assert "GET p50" in result.observed
    assert "CPU" in result.hint


@pytest.mark.parametrize("policy", [pytest.param("allkeys-random", marks=pytest.mark.nightly), "noeviction"])
def test_eviction_under_another_policy(redis_server, check, policy):
    server = redis_server(f"maxmemory 16mb\nmaxmemory-policy {policy}")
    result = check("redis-eviction", redis=server.target)
    assert result.status == "failed"
    assert "changed maxmemory-policy" in result.hint
    assert server.root.keys(PREFIX + "*") == []


def test_eviction_refuses_a_stack_that_is_not_disposable(redis_server, check):
    server = redis_server()
    result = check("redis-eviction", redis=server.target, disposable=False)
    assert result.status == "failed"
    assert "not marked as disposable" in result.observed
    assert server.root.info("stats")["total_connections_received"] == 1


def test_wrong_password(redis_server, check, tmp_path: Path):
    (tmp_path / "wrong").write_text("wrong")
    target = replace(redis_server().target, password_file=str(tmp_path / "wrong"))
    result = check("redis-commands", redis=target)
    assert result.status == "failed"
    assert "redis-credentials" in result.hint


def test_nobody_there(check, tmp_path: Path):
    (tmp_path / "password").write_text("x")
    result = check(
        "redis-memory", redis=RedisTarget(host="127.0.0.1", password_file=str(tmp_path / "password"), port=1)
    )
    assert result.status == "failed"
    assert "kubectl -n filewallball get pods" in result.hint


def test_leftovers_of_killed_runs_go_and_those_of_live_ones_stay(redis_server, check):
    server = redis_server()
    live = Session(server.target, "a11fe000")
    live.call("SET", live.key("mine"), "x")
    server.root.set(f"{PREFIX}deadbeef:left", "x")
    result = check("redis-commands", redis=server.target)
    assert result.status == "ok", result.line()
    assert server.root.keys(PREFIX + "*") == [f"{PREFIX}a11fe000:mine"]
    assert any(client["name"] == f"{CLIENT_NAME}a11fe000" for client in server.root.client_list())
    live.close()
