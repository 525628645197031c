"""What the tests of the program share."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from program_run import DEV, PRD, ROOT, Rendered, run_program

# The program is no installed package: it is imported from the folder of Pulumi.yaml, as Pulumi does.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FWB_NO_CHECKS", raising=False)
    monkeypatch.delenv("FWB_STATE", raising=False)


@pytest.fixture
def render() -> Callable[..., Rendered]:
    return run_program


@pytest.fixture(scope="session")
def dev() -> Rendered:
    return run_program(DEV)


@pytest.fixture(scope="session")
def prd() -> Rendered:
    return run_program(PRD)


@pytest.fixture(scope="session")
def encrypted() -> Rendered:
    return run_program({**DEV, "tls": {"enabled": True}})
