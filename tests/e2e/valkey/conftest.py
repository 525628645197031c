"""The set of session servers from the image's own files, without a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_image
from local_set import LocalSet


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image that the stack asks for, unpacked."""
    return valkey_image.unpack(tmp_path_factory.mktemp("valkey-tree"))


@pytest.fixture
def net() -> int:
    """The second byte of this worker's addresses."""
    return 100 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@pytest.fixture
def idle(tree: Path, tmp_path: Path, net: int) -> Iterator[LocalSet]:
    """A set of which nothing runs yet."""
    found = LocalSet(tree, tmp_path, net)
    yield found
    found.close()


@pytest.fixture
def whole(idle: LocalSet) -> LocalSet:
    """A set that is up: one primary, two replicas, five Sentinels that agree."""
    idle.start()
    idle.wait_whole()
    return idle
