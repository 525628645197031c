"""A value that one caller computes: for a crowd of tasks and processes, near its end, after errors."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Storage
from tests.e2e.redis_lab import Server


@pytest.fixture(params=["server", "folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/store"
    server: Server = request.getfixturevalue("server")
    return server.url


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    with Storage.from_url(url, "computed:") as made:
        made.clear()
        yield made


def compute(url: str, name: str, log: Path, start: Any) -> None:
    def function() -> str:
        with log.open("a", encoding="utf-8") as file:
            file.write("computed\n")
        time.sleep(0.3)
        return "result"

    with Storage.from_url(url, "computed:") as storage:
        start.wait()
        assert storage.get_or_compute(name, function, ttl=60) == "result"


def test_one_process_computes_for_all(storage: Storage, url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    processes = [context.Process(target=compute, args=(url, "crowd", log, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert log.read_text() == "computed\n"
    assert storage.get("crowd") == "result"


def test_one_task_computes_for_all(storage: Storage, url: str) -> None:
    calls: list[int] = []

    async def function() -> int:
        calls.append(1)
        await asyncio.sleep(0.1)
        return 7

    async def main() -> list[Any]:
        async with AsyncStorage.from_url(url, "computed:") as made:
            return await asyncio.gather(*(made.get_or_compute("tasks", function, ttl=60) for _ in range(30)))

    assert asyncio.run(main()) == [7] * 30
    assert len(calls) == 1
    assert storage.get("tasks") == 7


def test_an_error_is_raised_to_whoever_computed_and_the_next_one_tries(storage: Storage) -> None:
    with pytest.raises(ZeroDivisionError):
        storage.get_or_compute("error", lambda: 1 / 0, ttl=60)
    assert storage.get_or_compute("error", lambda: 5, ttl=60) == 5


def test_after_its_end_the_old_value_serves_while_one_computes_and_if_it_fails(storage: Storage) -> None:
    now = [time.time()]
    storage._values.now = lambda: now[0]
    assert storage.get_or_compute("stale", lambda: "old", ttl=60, stale=600) == "old"
    now[0] += 61
    assert storage.get("stale", "missing") == "missing", "get() gives no value that is out of date"
    assert storage.get_or_compute("stale", lambda: 1 / 0, ttl=60, stale=600) == "old"

    inside, go = threading.Event(), threading.Event()

    def slow() -> str:
        inside.set()
        assert go.wait(10)
        return "new"

    thread = threading.Thread(target=lambda: storage.get_or_compute("stale", slow, ttl=60))
    thread.start()
    assert inside.wait(10)
    assert storage.get_or_compute("stale", lambda: "never called", ttl=60) == "old"
    go.set()
    thread.join()
    assert storage.get_or_compute("stale", lambda: "never called", ttl=60) == "new"
    assert storage.stats()["stale"] == 2


def test_a_clock_that_is_set_back_makes_no_value_live_for_ever(storage: Storage) -> None:
    now = [time.time()]
    storage._values.now = lambda: now[0]
    storage.get_or_compute("clock", lambda: "old", ttl=60)
    now[0] -= 1_000_000
    assert storage.get("clock") == "old"
    assert 60 < (storage.ttl("clock") or 0) <= 120, "the store removes it by its own clock"


def test_one_comes_before_the_end(storage: Storage) -> None:
    storage._computed.chance = lambda: 0.0
    storage.get_or_compute("early", lambda: time.sleep(0.05) or "old", ttl=60)
    assert storage.get_or_compute("early", lambda: "new", ttl=60) == "old", "far from its end"
    storage._computed.chance = lambda: 1.0 - 2**-53
    assert storage.get_or_compute("early", lambda: "new", ttl=60, beta=0) == "old"
    assert storage.get_or_compute("early", lambda: "new", ttl=60, beta=1000) == "new"
    assert storage.stats()["early"] == 1


def test_who_waits_longer_than_the_lease_computes_too(storage: Storage) -> None:
    storage.backend.set(b"computed:computing:lost", b"whoever died", 60)
    assert storage.get_or_compute("lost", lambda: 1, ttl=60, lease=0.1) == 1


def test_whoever_dies_keeps_nobody_waiting_longer_than_the_lease(storage: Storage) -> None:
    storage.backend.set(b"computed:computing:died", b"whoever died", 0.1)
    assert storage.get_or_compute("died", lambda: 1, ttl=60, lease=20) == 1


def test_a_value_that_was_set_counts(storage: Storage) -> None:
    storage.set("set", None, 60)
    assert storage.get_or_compute("set", lambda: 1 / 0, ttl=60) is None


def test_without_an_end_it_is_stored_as_it_is(storage: Storage) -> None:
    assert storage.get_or_compute("ever", lambda: 5, ttl=None) == 5
    assert (storage.get("ever"), storage.ttl("ever")) == (5, None)
    assert storage.incr("ever") == 6
