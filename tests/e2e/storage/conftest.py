"""Servers as plain processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.redis_lab import RedisLab, Server
from tests.e2e.storage.stores import Watched


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisLab]:
    made = RedisLab(tmp_path_factory.mktemp("storage-lab"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def server(lab: RedisLab) -> Server:
    """One that works; tests leave it so."""
    return lab.server()


@pytest.fixture(scope="session")
def cluster(lab: RedisLab) -> list[Server]:
    return lab.cluster(replicas=0)


@pytest.fixture(scope="session")
def watched(lab: RedisLab) -> Watched:
    return Watched(*lab.sentinel_set(replicas=1))
