"""Servers that the tests of a worker share, and a lab for those that break their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_lab import RedisLab, Server


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisLab]:
    """Servers of one test."""
    made = RedisLab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisLab]:
    made = RedisLab(tmp_path_factory.mktemp("shared-lab"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def single(shared_lab: RedisLab) -> Server:
    """A stand-alone server; tests leave it empty."""
    return shared_lab.server()


@pytest.fixture(scope="session")
def cluster(shared_lab: RedisLab) -> list[Server]:
    """Three primaries and a replica of each. Tests leave it empty and whole."""
    return shared_lab.cluster()
