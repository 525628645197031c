"""Locks in a folder: who gets them, and who loses them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lock_holders import LONG, child, holds, started, waiting

from filewallball.storage.errors import NotAcquired, NotHeld
from filewallball.storage.locks import ears, lockfile, on_disk, turns
from filewallball.storage.locks.lockfile import Waiter
from filewallball.storage.locks.on_disk import DiskLocks


def test_one_holder_at_a_time_and_greater_tokens(locks: DiskLocks, folder: Path) -> None:
    first = locks.acquire("a", LONG)
    for other in (locks, DiskLocks(folder)):
        with pytest.raises(NotAcquired, match=r"'a'.*wait longer than 0 s"):
            other.acquire("a", LONG, 0)
        with pytest.raises(NotAcquired):
            other.acquire("a", LONG, 0.01)
    assert locks.acquire("b", LONG, 0).token
    first.release()
    with pytest.raises(NotHeld, match=f"'a' with the token {first.token} is no longer held"):
        first.release()
    assert DiskLocks(folder).acquire("a", LONG, 0).token > first.token


def test_in_the_order_of_asking(locks: DiskLocks, folder: Path) -> None:
    held = locks.acquire("a", LONG)
    got: list[tuple[int, int]] = []

    def ask(number: int, through: DiskLocks) -> None:
        mine = through.acquire("a", LONG)
        got.append((number, mine.token))
        mine.release()

    threads: list[threading.Thread] = []
    for number in range(6):
        threads.append(started(lambda n=number: ask(n, locks if n % 2 else DiskLocks(folder))))
        waiting(locks, "a", number + 1)
    held.release()
    for each in threads:
        each.join()
    assert [number for number, _ in got] == list(range(6))
    assert [token for _, token in got] == sorted({token for _, token in got})
    with pytest.raises(NotHeld):
        held.extend(LONG)


def test_who_gives_up_leaves_the_queue(locks: DiskLocks) -> None:
    held = locks.acquire("a", LONG)
    impatient = turns.Turn(locks.rules, Waiter(locks.ears.own, 1000, 10**9))
    locks._now("a", impatient.look)
    got: list[int] = []
    patient = started(lambda: got.append(locks.acquire("a", LONG).token))
    waiting(locks, "a", 2)
    assert impatient.leave() is None
    waiting(locks, "a", 1)
    held.release()
    patient.join()
    assert got == [held.token + 1]


def test_who_is_over_its_time_loses_it(locks: DiskLocks, folder: Path) -> None:
    late = locks.acquire("a", 0.02)
    next_one = DiskLocks(folder).acquire("a", LONG, 10)
    assert next_one.token > late.token
    for call in (late.release, lambda: late.extend(LONG)):
        with pytest.raises(NotHeld):
            call()
    next_one.extend(LONG)
    next_one.release()


def test_over_its_time_it_is_lost_even_if_nobody_has_come(
    locks: DiskLocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, kept = locks.acquire("a", 5), locks.acquire("b", 5)
    kept.extend(50)
    later = turns.now() + 10 * 10**9
    monkeypatch.setattr(turns, "now", lambda: later)
    monkeypatch.setattr(on_disk, "now", lambda: later)
    with pytest.raises(NotHeld):
        held.extend(5)
    assert locks.held() == ["b"]
    with pytest.raises(NotHeld):
        held.release()
    kept.release()


def test_a_clock_set_back_changes_nothing(
    locks: DiskLocks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = locks.acquire("a", 0.02)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second = DiskLocks(folder).acquire("a", LONG, 10)
    assert second.token == first.token + 1
    with pytest.raises(NotAcquired):
        locks.acquire("a", LONG, 0)


def test_the_death_of_a_holder_frees_it_at_once(locks: DiskLocks, folder: Path) -> None:
    with child(holds(folder, "a")) as pid:
        got: list[int] = []
        thread = started(lambda: got.append(locks.acquire("a", LONG, 30).token))
        waiting(locks, "a", 1)
        time.sleep(turns._ALONE_SECONDS * 3)  # by now it watches the holder
        os.kill(pid, signal.SIGKILL)
        thread.join()
        assert got
    with child(holds(folder, "b")) as pid:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        locks.acquire("b", LONG, 0)


def test_the_dead_in_the_queue_stop_nobody(locks: DiskLocks, folder: Path) -> None:
    held = locks.acquire("a", LONG)

    def work(ready: Callable[[], None]) -> None:
        ready()
        DiskLocks(folder).acquire("a", LONG)

    with child(work) as first, child(work) as second:
        waiting(locks, "a", 2)
        got: list[int] = []
        thread = started(lambda: got.append(locks.acquire("a", LONG, 30).token))
        waiting(locks, "a", 3)
        for pid in (first, second):
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        held.release()
        thread.join()
        assert got


def test_the_dead_in_the_queue_cost_no_processor_time(
    locks: DiskLocks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = locks.acquire("a", LONG)

    def work(ready: Callable[[], None]) -> None:
        ready()
        DiskLocks(folder).acquire("a", LONG)

    with child(work):
        waiting(locks, "a", 1)
    looks: list[int] = []
    look = turns.Turn.look
    monkeypatch.setattr(turns.Turn, "look", lambda *given: looks.append(1) or look(*given))
    with pytest.raises(NotAcquired):
        locks.acquire("a", LONG, 0.1)
    assert len(looks) < 10
    held.release()


def test_a_frozen_holder_loses_it_after_its_time(locks: DiskLocks, folder: Path) -> None:
    with child(holds(folder, "a", 0.3)) as pid:
        os.kill(pid, signal.SIGSTOP)
        assert locks.acquire("a", LONG, 30).token


def test_a_child_has_none_of_its_parents_locks(locks: DiskLocks, folder: Path) -> None:
    held = locks.acquire("a", LONG)

    def work(ready: Callable[[], None]) -> None:
        for call in (held.release, lambda: held.extend(LONG)):
            with pytest.raises(NotHeld):
                call()
        with pytest.raises(NotAcquired):
            locks.acquire("a", LONG, 0)
        locks.acquire("b", LONG, 0)
        ready()

    with child(work), pytest.raises(NotAcquired):
        locks.acquire("b", LONG, 0)
    locks.acquire("b", LONG, 0)
    held.release()


def test_a_child_that_lives_on_does_not_keep_its_parents_lock(locks: DiskLocks, folder: Path) -> None:
    grandchildren, tell = os.pipe()

    def work(ready: Callable[[], None]) -> None:
        theirs = DiskLocks(folder)
        theirs.acquire("a", LONG, 0)
        if (pid := os.fork()) == 0:
            signal.pause()
        os.write(tell, str(pid).encode())
        ready()

    with child(work) as pid:
        grandchild = int(os.read(grandchildren, 20))
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        try:
            locks.acquire("a", LONG, 30)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_an_interrupted_wait_leaves_no_trace(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    held = locks.acquire("a", LONG)

    def interrupt(*_: Any) -> None:
        held.release()  # the interrupted one gets it at the last moment, and must give it back
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ears.Ear, "listen", interrupt)
        with pytest.raises(KeyboardInterrupt):
            locks.acquire("a", LONG)
    assert locks.acquire("a", LONG, 0).token == held.token + 2


def test_more_may_wait_than_the_queue_has_room_for(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (turns, lockfile):  # few places, which are used again and again
        monkeypatch.setattr(module, "WAITERS", 2)
    held = locks.acquire("a", LONG)
    threads = [started(lambda: locks.acquire("a", LONG).release()) for _ in range(5)]
    waiting(locks, "a", 2)
    held.release()
    for each in threads:
        each.join()
    assert locks.acquire("a", LONG, 0).token == held.token + 6
