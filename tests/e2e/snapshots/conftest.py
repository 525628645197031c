"""One set of session servers for the tests of a worker; each test has a bucket and empties the set first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_image
from local_set import LocalSet
from s3_gateway import S3, Recorded, gateway, recording
from snapshot_lab import Lab, Throwaway


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """What this process asks of the store in a test; an operation that no role allows fails it."""
    with recording(monkeypatch) as found:
        yield found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with gateway(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image that the stack asks for, unpacked."""
    return valkey_image.unpack(tmp_path_factory.mktemp("snapshots-tree"))


@pytest.fixture(scope="session")
def servers(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSet]:
    net = 120 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    found = LocalSet(tree, tmp_path_factory.mktemp("set"), net)
    try:
        found.start()
        found.wait_whole()
        yield found
    finally:
        found.close()  # or a later run's would meet these at its addresses


@pytest.fixture
def lab(servers: LocalSet, tree: Path, s3: S3) -> Iterator[Lab]:
    throwaway = Throwaway(tree)
    made = Lab(servers, throwaway, s3)
    made.flush()
    yield made
    throwaway.close()
