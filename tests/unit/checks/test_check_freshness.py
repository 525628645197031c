"""What backup-freshness makes of the newest verified backup's time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fake_cluster import Cluster
from test_checks_config import document

from facts.checks.backups import BackupTarget
from filewallball.checks import config
from filewallball.checks.result import CheckFailed, CheckWarned, Result, all_good, to_json, to_junit
from filewallball.checks.suites import backup, scheduled

CONFIG = config.parse(json.dumps(document()))
NAME = "filewallball_backup_20260101_000000.sql.gz"
OLD = "filewallball_backup_20251231_000000.sql.gz"


@pytest.fixture
def freshness(monkeypatch):
    """`freshness(age)`: the check with a store whose newest backup is that old.

    `differences`: those of the newest; `verified`: the name of the newest verified one.
    """

    def run(age: timedelta, differences: tuple[str, ...] = (), verified: str | None = NAME) -> str:
        newest = SimpleNamespace(name=NAME, created=datetime.now(UTC) - age, differences=differences)
        store = SimpleNamespace(settings=SimpleNamespace(where="s3://bucket/"))
        monkeypatch.setattr(backup, "open_store", lambda _config: store)
        made = {"creationTimestamp": "2026-01-01T00:00:00Z"}
        cron = {("CronJob", CONFIG[BackupTarget].cronjob): {"metadata": made, "spec": {}}}
        monkeypatch.setattr(scheduled.Kube, "connect", lambda: Cluster(cron))
        other = SimpleNamespace(name=verified) if verified else None
        monkeypatch.setattr(backup.catalogue, "newest", lambda _store: newest)
        monkeypatch.setattr(backup.catalogue, "newest_verified", lambda _store: other)
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


LINES = (
    "view v: its definition differs. Run `SHOW CREATE VIEW `v`;`.",
    "table t: the checksum differs. Run it.",
)


@pytest.mark.parametrize(("verified", "said"), [(OLD, f"verified one is {OLD}"), (None, "none is verified")])
def test_a_young_backup_that_differs_is_a_warning(freshness, verified, said):
    with pytest.raises(CheckWarned, match="was restored, but differs: view v, table t;") as caught:
        freshness(timedelta(hours=1), LINES, verified)
    assert said in caught.value.observed
    assert all(line in caught.value.hint for line in LINES)


def test_one_that_differs_and_is_too_old_is_a_failure(freshness):
    with pytest.raises(CheckFailed, match="h old") as caught:
        freshness(timedelta(days=9), LINES)
    assert caught.value.status == "failed"


def test_a_warning_is_told_in_every_form_and_fails_nothing(freshness):
    with pytest.raises(CheckWarned) as caught:
        freshness(timedelta(hours=1), LINES)
    warned = caught.value
    found = Result("backup-freshness", warned.status, warned.observed, warned.expected, warned.hint)
    assert found.line().startswith(f"backup-freshness: WARNING ({NAME} was restored, but differs: view v")
    assert json.loads(to_json([found]))[0]["status"] == "warning"
    junit = to_junit([found], "s")
    assert 'failures="0"' in junit
    assert "view v" in junit
    assert all_good([found])
