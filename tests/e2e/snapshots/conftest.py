"""One set of session servers for the tests of a worker; each test has a bucket and empties the set first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from handed_on import HandedOn
from local_set import LocalSet, free_net
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


_HANDED_ON = pytest.StashKey[HandedOn]()


@pytest.fixture(scope="session")
def handed_on(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[HandedOn]:
    first = 120 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    found = pytestconfig.stash[_HANDED_ON] = HandedOn(
        lambda: LocalSet(tree, tmp_path_factory.mktemp("set"), free_net(first))
    )
    yield found
    found.drop()  # or a later run's would meet these at its addresses


@pytest.fixture
def servers(handed_on: HandedOn, request: pytest.FixtureRequest) -> Iterator[LocalSet]:
    yield from handed_on.lent(request.session)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """End the set after the last test on it: idle, it would still take the others' time."""
    yield
    found = item.config.stash.get(_HANDED_ON, None)
    if found and "servers" not in getattr(nextitem, "fixturenames", ()):
        found.drop()


@pytest.fixture
def lab(servers: LocalSet, tree: Path, s3: S3) -> Iterator[Lab]:
    throwaway = Throwaway(tree)
    made = Lab(servers, throwaway, s3)
    made.empty()
    yield made
    throwaway.close()
