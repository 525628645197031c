"""Servers for locks, as plain processes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_lab import RedisLab, Server


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisLab]:
    made = RedisLab(tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(lab: RedisLab) -> Server:
    """A stand-alone server; tests leave it empty."""
    return lab.server()
