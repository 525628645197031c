"""What the judges judge, and those of them that this machine has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from tests.judges import programs, rendered


@pytest.fixture(scope="session")
def stacks(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> rendered.Stacks:
    """Rendered once for all workers of pytest-xdist."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "judged-stacks"
    with exclusive(folder.with_suffix(".lock"), Progress(), "another worker, which renders the stacks"):
        if not folder.is_dir():
            unfinished = tmp_path_factory.mktemp("stacks")
            rendered.render(tmp_path_factory.mktemp("project"), unfinished)
            unfinished.rename(folder)
    return rendered.Stacks(folder)


@pytest.fixture(scope="session")
def judge() -> Callable[[str], Path]:
    """Gives the path of a program; without it the test is left out."""

    def find(name: str) -> Path:
        found = programs.find(name)
        if found is None:
            pytest.skip(f"{name} isn't installed here: `make judge` installs it")
        return found

    return find
