"""Eight processes on one lock: it excludes, it is fair, its tokens only grow, whatever happens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from lock_proof import Crowd, unfairness, verify
from redis_lab import Server

from filewallball.storage.locks.on_disk import DiskLocks
from filewallball.storage.locks.on_redis import RedisLocks

T = TypeVar("T")


class Direct:
    """Calls of one server; each process has a client of its own."""

    def __init__(self, port: int) -> None:
        self._client = redis.Redis(port=port)

    def call(self, function: Callable[[redis.Redis], T]) -> T:
        return function(self._client)


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Crowd]:
    crowd = Crowd(tmp_path, lambda: DiskLocks(tmp_path / "locks"), ttl=600)
    yield crowd
    crowd.close()


@pytest.fixture
def on_redis(tmp_path: Path, server: Server) -> Iterator[Crowd]:
    crowd = Crowd(tmp_path, lambda: RedisLocks(Direct(server.port)), ttl=5)
    yield crowd
    crowd.close()


def test_on_disk(on_disk: Crowd) -> None:
    verify(on_disk.run(4000), 4000)


def test_on_disk_with_deaths_and_late_ones(on_disk: Crowd) -> None:
    on_disk.late = True
    verify(on_disk.run(3000, kills=30), 3000)


def test_on_disk_while_free_locks_are_removed(on_disk: Crowd) -> None:
    on_disk.size, on_disk.rest = 3, 0.001
    verify(on_disk.run_cleaned(600), 600)


@pytest.mark.nightly
def test_on_disk_a_hundred_thousand_times(on_disk: Crowd) -> None:
    resource = on_disk.run(100_000)
    verify(resource, 100_000)
    assert unfairness(resource) < 1.5


@pytest.mark.nightly
def test_on_disk_with_a_thousand_deaths(on_disk: Crowd) -> None:
    on_disk.late = True
    verify(on_disk.run(100_000, kills=1000), 100_000)


def test_on_redis(on_redis: Crowd) -> None:
    verify(on_redis.run(1500), 1500)


def test_on_redis_with_deaths_and_late_ones(on_redis: Crowd) -> None:
    on_redis.late = True
    verify(on_redis.run(300, kills=3), 300)


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_on_redis_a_hundred_thousand_times(on_redis: Crowd) -> None:
    on_redis.ttl = 30
    resource = on_redis.run(100_000)
    verify(resource, 100_000)
    assert unfairness(resource) < 1.5
