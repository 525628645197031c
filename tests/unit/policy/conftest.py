"""The program's stacks, as its own tests render them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
for folder in (ROOT, ROOT / "tests" / "unit" / "program", ROOT / "tests" / "unit" / "cli"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))

from program_run import DEV, PRD, Rendered, run_program  # noqa: E402


@pytest.fixture(scope="session")
def dev() -> Rendered:
    return run_program(DEV)


@pytest.fixture(scope="session")
def prd() -> Rendered:
    return run_program(PRD)
