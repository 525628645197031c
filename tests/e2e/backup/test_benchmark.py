"""The benchmark of the backup runs, with a little data: its figures are for a quiet machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import backup, restore


def test_a_short_run_of_the_benchmark(tmp_path: Path) -> None:
    results = {result.name: result for result in backup.measure(2, tmp_path)}
    assert results["size"].within
    assert results["peak memory of our process"].within
    [dumped] = results["SQL that was dumped"].ours
    assert 1.5 < dumped < 3


@pytest.mark.nightly
def test_a_short_run_of_the_restores(tmp_path: Path) -> None:
    results = {result.name: result for result in restore.measure(2, tmp_path)}
    assert results["restore with its checks"].theirs
    [restored] = results["SQL that was restored"].ours
    assert 1.5 < restored < 3
