"""What backup-freshness makes of the newest verified backup's time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from test_checks_config import document

from facts.checks.backups import BackupTarget
from filewallball.checks import config
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import backup

CONFIG = config.parse(json.dumps(document()))
NAME = "filewallball_backup_20260101_000000.sql.gz"


@pytest.fixture
def freshness(monkeypatch):
    """`freshness(age)`: the check with a store whose newest verified backup is that old."""

    def run(age: timedelta) -> str:
        newest = SimpleNamespace(name=NAME, created=datetime.now(UTC) - age)
        store = SimpleNamespace(settings=SimpleNamespace(where="s3://bucket/"))
        monkeypatch.setattr(backup, "open_store", lambda _config: store)
        monkeypatch.setattr(backup.catalogue, "newest_verified", lambda _store: newest)
        return backup.freshness(CONFIG)

    return run


@pytest.mark.parametrize("age", [timedelta(minutes=-9), timedelta(), timedelta(hours=1)])
def test_a_young_backup(freshness, age):
    assert NAME in freshness(age)


def test_a_backup_that_is_too_old(freshness):
    with pytest.raises(CheckFailed, match="h old"):
        freshness(timedelta(hours=CONFIG[BackupTarget].max_age_hours, minutes=1))


@pytest.mark.parametrize("ahead", [timedelta(minutes=11), timedelta(days=400)])
def test_a_backup_from_the_future(freshness, ahead):
    with pytest.raises(CheckFailed, match="in the future") as caught:
        freshness(-ahead)
    assert "date -u" in caught.value.hint
    assert f"move {NAME}" in caught.value.hint
