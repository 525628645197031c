"""Locks in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.storage.locks.on_disk import DiskLocks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locks"


@pytest.fixture
def locks(folder: Path) -> DiskLocks:
    return DiskLocks(folder)
