"""Many threads and processes on one store: none of them loses what another wrote, also when it is killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import ForkContext
from pathlib import Path

import pytest

from filewallball.storage.disk import DiskBackend

WRITERS = 8
FORK: ForkContext = multiprocessing.get_context("fork")


def run(target: Callable[..., None], arguments: list[tuple[object, ...]]) -> None:
    """In processes of their own, to the end."""
    started = [FORK.Process(target=target, args=each) for each in arguments]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0] * len(started)


def _write(folder: Path, number: int, count: int) -> None:
    disk = DiskBackend(folder)
    for index in range(count):
        disk.set(b"%d:%d" % (number, index), b"%d" % index * 200, 3600)
        disk.add(b"all", 1)
    disk.close()


def test_eight_processes_drop_no_write(tmp_path: Path) -> None:
    run(_write, [(tmp_path, number, 300) for number in range(WRITERS)])
    disk = DiskBackend(tmp_path)
    assert disk.get(b"all") == b"%d" % (WRITERS * 300)
    keys = [b"%d:%d" % (number, index) for number in range(WRITERS) for index in range(300)]
    assert disk.get_many(keys) == [b"%d" % index * 200 for _ in range(WRITERS) for index in range(300)]
    assert disk.check(fix=False) == []
    disk.close()


def test_a_child_goes_on_with_the_parents_backend(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path)
    disk.set(b"n", b"0")
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            disk.add(b"parent", 1)
            disk.get(b"n")

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()

    def child() -> None:
        assert disk.get(b"n") is not None
        for _ in range(50):
            disk.add(b"n", 1)
        run(lambda: disk.add(b"n", 1) and None, [()])  # a child of the child
        disk.close()

    try:
        run(child, [()] * 10)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert disk.get(b"n") == b"%d" % (10 * 51)
    assert disk.check(fix=False) == []
    disk.close()


def test_threads_share_a_backend(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for index in range(200):
                disk.add(b"n", 1)
                disk.set(b"%d:%d" % (number, index), b"x", 60)
                assert disk.get(b"%d:%d" % (number, index)) == b"x"
                disk.change(b"list", lambda old: (old or b"") + b"x")
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert disk.get(b"n") == b"1200"
    assert disk.get(b"list") == b"x" * 1200
    disk.close()


def _endless(folder: Path, number: int, said: int) -> None:
    """Write in steps, and say after each step how far it is: that is committed."""
    disk = DiskBackend(folder, max_size=64 << 20)
    index = 0
    while True:
        index += 1
        disk.set_many({b"%d:a" % number: b"%d" % index, b"%d:b" % number: b"%d" % index})
        disk.set(b"%d:large" % number, b"%d," % index * 20_000, 3600)
        os.write(said, b"%d\n" % index)


def _kill_them(folder: Path, rounds: int) -> None:
    disk = DiskBackend(folder, max_size=64 << 20)
    for round_ in range(rounds):
        pipes = [os.pipe() for _ in range(3)]
        started = [
            FORK.Process(target=_endless, args=(folder, number, pipes[number][1])) for number in range(3)
        ]
        for process in started:
            process.start()
        for _, write in pipes:
            os.close(write)
        first = [os.read(read, 1) for read, _ in pipes]
        time.sleep(0.01 + 0.007 * (round_ % 5))  # not a wait: the moment of the blow differs
        for process in started:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        for number, (read, _) in enumerate(pipes):
            with os.fdopen(read, "rb") as file:
                committed = int((first[number] + file.read()).split(b"\n")[-2])
            started[number].join(10)
            a, b = disk.get_many([b"%d:a" % number, b"%d:b" % number])
            assert a == b, "a change is there as a whole, or not at all"
            assert int(a or b"0") in (committed, committed + 1)
            large = (disk.get(b"%d:large" % number) or b"").split(b",")
            assert len(large) == 20_001
            assert len(set(large[:-1])) == 1
            assert int(large[0]) in (committed, committed + 1)
        disk.set(b"alive", b"%d" % round_)
        assert disk.check(fix=False) == []
    disk.cleanup()
    disk.close()


def test_processes_that_are_killed_leave_all_they_committed(tmp_path: Path) -> None:
    _kill_them(tmp_path, 3)


@pytest.mark.nightly
def test_processes_that_are_killed_again_and_again_leave_all_they_committed(tmp_path: Path) -> None:
    _kill_them(tmp_path, 100)


def _read(folder: Path, said: int) -> None:
    disk = DiskBackend(folder)
    os.write(said, b"x")
    while True:
        disk.get(b"a")


def test_readers_that_are_killed_take_no_place_for_ever(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path)
    disk.set(b"a", bytes(1000))
    for _ in range(10):
        read, write = os.pipe()
        process = FORK.Process(target=_read, args=(tmp_path, write))
        process.start()
        os.read(read, 1)
        process.kill()
        process.join(10)
        os.close(read)
        os.close(write)
    disk.cleanup()
    opened = disk._opened
    assert opened is not None
    assert opened.env.readers().count("\n") <= 2, "the heading, and this process at most"
    disk.close()
