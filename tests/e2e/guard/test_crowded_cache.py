"""More connections than the cache takes: whoever is the product's own gets in, and it is never found dead."""

from __future__ import annotations

import pytest
from cache_pod import PORT, RESERVE, SHARE, Cache
from crowd import crowd
from redis.exceptions import ConnectionError, NoPermissionError, NoScriptError, ResponseError


def test_a_crowd_leaves_room_for_the_products_own(cache: Cache) -> None:
    cache.start_guard()
    cache.client("app").set("key", "kept")
    app = cache.login("app")
    with (
        crowd(cache.host, PORT, login=app, most=SHARE - 1) as within,
        crowd(cache.host, PORT, login=app) as beyond,
        crowd(cache.host, PORT) as nameless,
    ):
        assert within.opened == SHARE - 1
        checks = cache.client("checks")
        cache.wait(lambda: checks.info("clients")["connected_clients"] <= SHARE + 3, "room again", 5)
        for _ in range(20):
            # Each time by a new connection.
            assert cache.client("checks", client_name="fwb-check-1").ping()
            assert cache.probe("alive") == cache.probe("ready") == (True, "")
        assert within.held() == SHARE - 1, "whoever is within the share is left alone"
        assert beyond.held() + nameless.held() <= 1
    assert cache.client("app").get("key") == "kept"
    assert f"beyond the applications' {SHARE} connections" in cache.said()


def test_a_wholly_full_cache_is_alive_and_ready(cache: Cache) -> None:
    """Between two looks of the guard, or without one."""
    cache.start_guard()
    cache.stop_guard()
    with crowd(cache.host, PORT, login=cache.login("app")) as everyone:
        assert everyone.opened == SHARE + RESERVE
        with pytest.raises(ConnectionError, match="max number"):
            cache.client("app").ping()
        for _ in range(20):
            assert cache.probe("alive") == cache.probe("ready") == (True, "")


def test_a_guard_that_comes_to_a_full_cache_takes_the_first_place_that_is_free(cache: Cache) -> None:
    app = cache.login("app")
    cache.start_guard()
    cache.stop_guard()
    with crowd(cache.host, PORT, login=app, most=SHARE + RESERVE - 10) as most:
        with crowd(cache.host, PORT, login=app):
            cache.start_guard()
            cache.wait(lambda: "has no connection" in cache.said(), "it says that it is shut out")
            assert most.held() == SHARE + RESERVE - 10
        cache.wait(lambda: most.held() <= SHARE, "it has got in, and made room")


def test_a_restarted_server_is_guarded_again(cache: Cache) -> None:
    cache.start_guard()
    before = (cache.root / "run/redis/guard-password").read_text()
    cache.restart()
    cache.wait(lambda: cache.probe("ready")[0], "it is open")
    assert (cache.root / "run/redis/guard-password").read_text() != before
    with crowd(cache.host, PORT, login=cache.login("app")) as beyond:
        cache.wait(lambda: beyond.held() <= SHARE, "the crowd is held to its share")


def test_without_its_guard_a_new_server_is_alive_but_lets_nobody_in(cache: Cache) -> None:
    assert cache.probe("alive") == (True, "")
    passed, said = cache.probe("ready")
    assert not passed
    assert "Connection refused" in said


def test_a_server_that_has_ended_fails_both_probes(cache: Cache) -> None:
    cache.start_guard()
    cache.server.kill()
    cache.server.wait()
    assert not cache.probe("alive")[0]
    assert not cache.probe("ready")[0]


MAY = (
    # Django's, Laravel's and Symfony's caches clear by these; Spring's by KEYS.
    "FLUSHDB", "FLUSHDB ASYNC", "FLUSHALL", "KEYS *", "SCAN 0", "DBSIZE", "RANDOMKEY",
    "SORT a-list ALPHA", "SORT_RO a-list ALPHA", "SWAPDB 1 2", "UNLINK a", "DUMP a", "COPY a b DB 3",
    # What clients ask when they connect, and queues when they look after their workers.
    "INFO", "ROLE", "CLIENT LIST", "CLIENT INFO", "CLIENT ID", "CLIENT SETNAME me", "HELLO 2",
    "MOVE a 3", "COMMAND COUNT", "PUBLISH channel message", "SCRIPT FLUSH",
    "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0",
    "FUNCTION FLUSH", "OBJECT ENCODING a", "MEMORY USAGE a", "WAIT 0 1",
)  # fmt: skip
MAY_NOT = (
    "CONFIG GET maxmemory", "CONFIG SET maxmemory 1", "CONFIG REWRITE", "SHUTDOWN", "SAVE", "BGSAVE",
    "REPLICAOF NO ONE", "FAILOVER", "MONITOR", "ACL LIST", "ACL SETUSER x on", "MODULE LIST",
    "CLIENT KILL ID 1", "CLIENT PAUSE 1", "CLIENT NO-EVICT ON", "MIGRATE 127.0.0.1 1 a 0 1", "SLOWLOG RESET",
    "LATENCY RESET", "CLUSTER RESET", "PSYNC ? -1", "REPLCONF ACK 0",
)  # fmt: skip


def test_the_owner_of_a_cache_may_do_with_its_content_what_it_likes(cache: Cache) -> None:
    cache.start_guard()
    client = cache.client("app")
    client.response_callbacks.clear()
    for command in MAY:
        client.rpush("a-list", "x")
        try:
            client.execute_command(*command.split())
        except NoPermissionError as error:
            pytest.fail(f"{command}: {error}")
        except NoScriptError:
            pass  # allowed, and not there
    client.set("cleared", 1)
    client.flushall()
    assert client.get("cleared") is None
    client.set("whole", "value")
    dumped = client.dump("whole")
    client.restore("again", 0, dumped)
    assert client.get("again") == "value"
    with pytest.raises(ResponseError, match="checksum"):
        client.restore("broken", 0, b"\x00\xff\xff\xff" + dumped[4:])


def test_it_cannot_change_or_stop_the_server(cache: Cache) -> None:
    cache.start_guard()
    client = cache.client("app")
    for command in MAY_NOT:
        print(f"{command}:")
        with pytest.raises(NoPermissionError):
            client.execute_command(*command.split())
