from __future__ import annotations

import pytest
from made_project import Sealer

from filewallball.project import crypter


@pytest.fixture
def sealer(monkeypatch: pytest.MonkeyPatch) -> Sealer:
    """With few rounds, to be quick."""
    monkeypatch.setattr(crypter, "ROUNDS", 10)
    return Sealer()
