"""Locks on the set: no token comes twice or late while its primary goes, in order, by a crash, or frozen."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_set import MASTER, LocalSet, wait_for
from lock_proof import NAME, Resource, verify
from writing import connect

from filewallball.storage.errors import NotHeld
from filewallball.storage.locks import asking
from filewallball.storage.locks.on_redis import RedisLocks, sentinels_epoch

TAKERS = 4


def locks_on(found: LocalSet) -> RedisLocks:
    sentinels = [found.client(each, "sentinel") for each in found.sentinels]
    return RedisLocks(
        connect(found, timeout=30), replicas=1, epoch=lambda: sentinels_epoch(sentinels, MASTER)
    )


@contextmanager
def taking(found: LocalSet, resource: Resource, folder: Path) -> Iterator[None]:
    """Threads that take the lock in turns, each with connections of its own."""
    stop = threading.Event()

    def work() -> None:
        own, locks = Resource(folder), locks_on(found)
        try:
            while not stop.is_set():
                held = locks.acquire(NAME, 5, 60)
                own.use(held.token)
                try:
                    held.release()
                except NotHeld:  # a fail-over took longer than its time to live
                    continue
        except Exception as error:  # noqa: BLE001 - told by the test
            own.fault(repr(error))

    threads = [threading.Thread(target=work) for _ in range(TAKERS)]
    for each in threads:
        each.start()
    try:
        more(resource)
        yield
        more(resource)
    finally:
        stop.set()
        for each in threads:
            each.join()


def more(resource: Resource) -> None:
    """Return once it was used twenty times more."""
    wanted = resource.count() + 20
    wait_for(lambda: resource.faults() or resource.count() >= wanted, 40, lambda: str(resource.count()))


def test_tokens_grow_whatever_happens_to_the_primary(whole: LocalSet, tmp_path: Path) -> None:
    resource = Resource(tmp_path)
    with taking(whole, resource, tmp_path):
        old = whole.wait_whole()
        whole.stop(old)
        more(resource)
        whole.start([old])
        old = whole.wait_whole()
        whole.kill(old)
        whole.start_server(old)
        more(resource)
        old = whole.wait_whole()
        whole.kill(old, signal.SIGSTOP)
        more(resource)
        whole.kill(old, signal.SIGCONT)
        whole.wait_whole()
    verify(resource, 100)
    assert len({token >> asking.TICK_BITS for token, _ in resource.uses()}) >= 4, "an epoch a primary"


def test_a_primary_that_lost_the_last_token_and_whose_clock_lags(whole: LocalSet) -> None:
    primary = whole.wait_whole()
    first = locks_on(whole).acquire("lost", 600, 0)
    ahead = {"epoch": first.token >> asking.TICK_BITS, "ticks": 2**asking.TICK_BITS - 9}
    whole.client(primary).hset("lock:{lost}:last", mapping=ahead)
    first.release()
    greatest = locks_on(whole).acquire("lost", 600, 0)
    whole.stop(primary)
    whole.start([primary])
    new = whole.wait_whole()
    assert new is not primary
    whole.client(new).delete("lock:{lost}:last", "lock:{lost}:held")
    assert locks_on(whole).acquire("lost", 600, 0).token > greatest.token


def test_a_primary_without_replicas_gives_no_lock(whole: LocalSet) -> None:
    primary = whole.wait_whole()
    others = [each for each in whole.members if each is not primary]
    locks = locks_on(whole)
    locks.acquire("before", 600, 0)
    for each in others:
        whole.kill(each, signal.SIGSTOP)
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(locks.acquire("alone", 600, 0).token))
    thread.start()
    time.sleep(2 * asking.CONFIRM_SECONDS)
    assert not got
    for each in others:
        whole.kill(each, signal.SIGCONT)
    thread.join()
    assert len(got) == 1
    whole.wait_whole()
