"""Locks on a server: who gets them, who loses them, and what a lost answer, a flush and its clock change."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis_lab import RedisLab, Server, wait_for
from redis_locks import LONG, WAYS, Loop, Maker, waiting

from filewallball.storage.errors import NotAcquired, NotHeld, Unavailable, WrongSetting
from filewallball.storage.locks import asking
from filewallball.storage.locks.on_redis_async import AsyncRedisLocks
from filewallball.storage.on_redis.asynchronous import OnAsyncRedis
from filewallball.storage.urls import parse


@pytest.fixture(params=WAYS)
def make(request: pytest.FixtureRequest, server: Server) -> Iterator[Maker]:
    loop = Loop()
    yield Maker(request.param, server, loop)
    loop.close()
    server.client().flushall()


def started(function: Any) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_one_holder_at_a_time_and_greater_tokens(make: Maker) -> None:
    locks, other = make(), make()
    first = locks.acquire("a", LONG)
    with pytest.raises(NotAcquired, match=r"'a'.*wait longer than 0 s"):
        other.acquire("a", LONG, 0)
    with pytest.raises(NotAcquired):
        other.acquire("a", LONG, 0.01)
    assert locks.held() == ["a"]
    first.extend(LONG * 2)
    assert LONG < make.server.client().pttl("lock:{a}:held") / 1000 <= LONG * 2
    first.release()
    for call in (first.release, lambda: first.extend(LONG)):
        with pytest.raises(NotHeld, match=f"'a' with the token {first.token} is no longer held"):
            call()
    assert other.acquire("a", LONG, 0).token > first.token
    assert locks.cleanup() == 0
    with pytest.raises(WrongSetting):
        locks.acquire("b", 0)


def test_in_the_order_of_asking(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "HEARD_MS", 60_000)  # on a machine that is busy nobody is taken for dead
    held = make().acquire("a", LONG)
    got: list[tuple[int, int]] = []

    def ask(number: int) -> None:
        mine = make().acquire("a", LONG)
        got.append((number, mine.token))
        mine.release()

    threads: list[threading.Thread] = []
    for number in range(5):
        threads.append(started(lambda n=number: ask(n)))
        waiting(make.server, "a", number + 1)
    held.release()
    for each in threads:
        each.join()
    assert [number for number, _ in got] == list(range(5))
    assert [token for _, token in got] == sorted({token for _, token in got})
    client = make.server.client()
    # A wake-up that came just as the one it is for asked again by itself stays for five seconds.
    wait_for(lambda: client.keys("*") == ["lock:{a}:last"], 10, lambda: str(client.keys("*")))


def test_who_is_over_its_time_loses_it(make: Maker) -> None:
    late = make().acquire("a", 0.05)
    assert make().acquire("a", LONG, 10).token > late.token
    for call in (late.release, lambda: late.extend(LONG)):
        with pytest.raises(NotHeld):
            call()


def test_the_dead_in_the_queue_stop_nobody(make: Maker) -> None:
    client = make.server.client()
    client.rpush("lock:{a}:queue", "never heard of", "heard of long ago", "heard of in the future")
    client.hset("lock:{a}:heard", mapping={"heard of long ago": 1, "heard of in the future": 2**50})
    assert make().acquire("a", LONG, 0).token


def test_a_lost_answer_costs_nothing(make: Maker) -> None:
    calls = make.calls(seconds=5)
    calls.lose = 1
    held = make(calls).acquire("a", LONG, 0)
    assert make.server.client().get("lock:{a}:held").split(":")[2] == str(held.token)
    calls.lose = 1
    held.extend(LONG)
    calls.lose = 1
    held.release()
    assert not make.server.client().exists("lock:{a}:held")
    late = make(calls).acquire("a", 0.02, 0)
    time.sleep(0.03)
    calls.lose = 1
    with pytest.raises(NotHeld):
        late.release()


def test_a_flushed_server_gives_greater_tokens_still(make: Maker) -> None:
    token = make().acquire("a", LONG).token
    make.server.client().flushall()
    make.server.client().script_flush()
    assert make().acquire("a", LONG, 0).token > token


def test_a_servers_clock_that_lags_does_not_turn_tokens_back(make: Maker) -> None:
    ahead = 2**45
    make.server.client().hset("lock:{a}:last", mapping={"epoch": 0, "ticks": ahead})
    assert make().acquire("a", LONG, 0).token == ahead + 1


def test_a_servers_clock_set_back_keeps_nobody_waiting(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does to the time to live is done here by hand: that grows by as much."""
    monkeypatch.setattr(asking, "_LATE_SECONDS", 0.05)
    dead = make().acquire("a", 0.1)
    make.server.client().pexpire("lock:{a}:held", 3_600_000)
    assert make().acquire("a", LONG, 20).token > dead.token


def test_a_new_epoch_gives_greater_tokens(make: Maker) -> None:
    """Of a primary that has lost the last token, and whose clock lags."""
    epochs = [7]
    locks = make(epoch=lambda: epochs[0])
    make.server.client().hset("lock:{a}:last", mapping={"epoch": 6, "ticks": 2**46 - 5})
    first = locks.acquire("a", LONG, 0)
    assert first.token >> asking.TICK_BITS == 7
    first.release()
    make.server.client().hset("lock:{a}:last", mapping={"epoch": 8, "ticks": 5})
    assert locks.acquire("a", LONG, 0).token >> asking.TICK_BITS == 8, "its own epoch is older"


def test_the_epoch_is_asked_for_again_after_a_failover(make: Maker, lab: RedisLab) -> None:
    asked: list[int] = []

    def epoch() -> int:
        asked.append(1)
        return len(asked)

    locks = make(epoch=epoch)
    locks.acquire("a", LONG, 0).release()
    locks.acquire("a", LONG, 0).release()
    assert len(asked) == 1
    make.server.client().replicaof("127.0.0.1", 1)
    make.server.client().replicaof("NO", "ONE")  # it is promoted: a new line of its history
    assert locks.acquire("a", LONG, 0).token >> asking.TICK_BITS == 2


def test_names_are_any_text(make: Maker) -> None:
    names = ["", "}", "{x}", "a%7Db", "파일", "a:held", "*"]
    locks = make(prefix="app*[x]:")
    held = [locks.acquire(name, LONG, 0) for name in names]
    make(prefix="app").acquire("other", LONG, 0)
    assert locks.held() == sorted(names)
    for each in held:
        each.release()
    assert locks.held() == []


def test_who_gives_up_leaves_the_queue(make: Maker) -> None:
    held = make().acquire("a", LONG)
    with pytest.raises(NotAcquired):
        make().acquire("a", LONG, 0.1)
    assert sorted(make.server.client().keys("*")) == ["lock:{a}:held", "lock:{a}:last"]
    held.release()


def test_a_server_that_is_gone_is_told(make: Maker) -> None:
    locks = make(make.calls(socket_connect_timeout=0.1))
    held = locks.acquire("a", LONG, 0)
    calls = make.calls()
    calls.lose = 100
    for call in (lambda: make(calls).acquire("a", LONG), make(calls).held):
        with pytest.raises(Unavailable, match="the answer got lost"):
            call()
    held.release()


def test_a_child_has_none_of_its_parents_locks(make: Maker) -> None:
    held = make().acquire("a", LONG)
    if (pid := os.fork()) == 0:
        try:
            # asyncio's loop isn't in the child
            call = held.held.release().send if make.way == "asyncio" else lambda _: held.release()
            call(None)
        except NotHeld:
            os._exit(3)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    held.release()


def test_a_cancelled_task_leaves_the_queue(server: Server) -> None:
    loop = Loop()
    make = Maker("asyncio", server, loop)
    held = make().acquire("a", LONG)
    locks = AsyncRedisLocks(OnAsyncRedis(parse(server.url)))
    future = asyncio.run_coroutine_threadsafe(locks.acquire("a", LONG), loop.loop)
    waiting(server, "a", 1)
    future.cancel()
    waiting(server, "a", 0)
    held.release()
    loop.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_lock_counts_once_a_replica_has_it(way: str, lab: RedisLab) -> None:
    primary, replica = lab.replicated(1)
    client = primary.client()
    wait_for(lambda: client.info("replication")["slave0"]["state"] == "online", 20, lambda: "not online")
    loop = Loop()
    make = Maker(way, primary, loop)
    first = make(make.calls(seconds=30), replicas=1).acquire("a", LONG, 0)
    replica.send(signal.SIGSTOP)
    with pytest.raises(Unavailable, match="no replica has confirmed"):
        make(replicas=1).acquire("b", LONG, 0)
    assert primary.client().keys("*:held") == ["lock:{a}:held"], "it is given back"
    replica.send(signal.SIGCONT)
    first.release()
    assert make(make.calls(seconds=30), replicas=1).acquire("a", LONG, 0).token > first.token
    loop.close()
    for each in (primary, replica):
        each.stop()
