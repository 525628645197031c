"""The set of session servers from the image's own files, without a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from handed_on import HandedOn
from local_set import LocalSet, free_net


@pytest.fixture(scope="session")
def net() -> int:
    """The second byte of this worker's addresses."""
    return free_net(100 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]))


@pytest.fixture(scope="module")
def handed_on(tree: Path, net: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandedOn]:
    found = HandedOn(lambda: LocalSet(tree, tmp_path_factory.mktemp("set"), net))
    yield found
    found.drop()


@pytest.fixture
def whole(handed_on: HandedOn, request: pytest.FixtureRequest) -> Iterator[LocalSet]:
    """A set that is up: one primary, two replicas, five Sentinels that agree. The next test has it, too."""
    yield from handed_on.lent(request.session)


@pytest.fixture
def idle(handed_on: HandedOn, tree: Path, tmp_path: Path, net: int) -> Iterator[LocalSet]:
    """A set of the test's own, of which nothing runs yet."""
    handed_on.drop()  # it has the same addresses
    found = LocalSet(tree, tmp_path, net)
    yield found
    found.close()
