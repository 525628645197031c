from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, lab
from shared_sandbox import Sandbox


@pytest.fixture(name="lab")
def _lab(sandbox: Sandbox, tmp_path: Path) -> Iterator[Lab]:
    with lab(sandbox, tmp_path / "project") as made:
        yield made
