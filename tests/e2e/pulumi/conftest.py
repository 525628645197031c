"""The real engine, where the cache has its programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from real_engine import CONFIG, RealStack
from shared_sandbox import Sandbox

from filewallball.sandbox import engines


@pytest.fixture(scope="session")
def engine() -> Path:
    """The folder of the CLI and the provider."""
    found = engines.find()
    if found is None:
        pytest.skip("the real Pulumi engine isn't built here: `make test-engines` builds it")
    return found


@pytest.fixture(scope="module")
def real(sandbox: Sandbox, engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStack]:
    home = tmp_path_factory.mktemp("pulumi")
    made = RealStack(tmp_path_factory.mktemp("project"), "real", sandbox, home, engine)
    made.write(**CONFIG)
    made.init()
    yield made
    sandbox.kubectl("delete", "namespace", made.name, "--ignore-not-found", "--wait=false")
