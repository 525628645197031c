"""What backup-run makes of the Job, its pod and the manifest, with a cluster that is a dict."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fake_cluster import Cluster, ended, pod, without_database
from test_checks_config import document

from facts.checks.backups import BackupTarget
from filewallball import pods
from filewallball.backup.manifest import Manifest, Position, Table
from filewallball.checks import config
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.suites import backup
from filewallball.jobs import following

CONFIG = config.parse(json.dumps(document()))
CRON = {"spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {}}}}}}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(backup, "POLL_SECONDS", 0)
    monkeypatch.setattr(following, "POLL_SECONDS", 0)
    monkeypatch.setitem(pods.CERTAIN_AFTER, "ErrImagePull", 0.0)


@pytest.fixture
def run_backup(monkeypatch):
    """`run_backup(cluster, manifest changes)`: the check with a store that holds that manifest."""
    without_database(monkeypatch, backup)
    monkeypatch.setattr(backup.mariadb_session.Tables, "name", lambda _self, what: f"fwb_check_1_{what}")
    monkeypatch.setattr(backup, "open_store", lambda _config: None)

    def run(cluster: Cluster, **changes: Any) -> str:
        manifest = replace(manifest_of_now(), **changes)
        cluster.objects["CronJob", CONFIG[BackupTarget].cronjob] = CRON
        monkeypatch.setattr(backup.Kube, "connect", lambda: cluster)
        monkeypatch.setattr(backup.catalogue, "find", lambda _store, _name: manifest)
        monkeypatch.setattr(backup.catalogue, "check_stored", lambda _store, _manifest: None)
        return backup.run_now(CONFIG)

    return run


def manifest_of_now() -> Manifest:
    tables = {"fwb_check_1_backup": Table(3, 1, "x")}
    now = datetime.now(UTC)
    return Manifest(
        "filewallball_backup_20260101_000000.sql.gz", now, 10, "s", 20, "filewallball_db", "utf8mb4", "c",
        "10.11", Position("f", 1), tables, {}, True, now, 0.5,
    )  # fmt: skip


def in_backup(kind: str, **detail: Any) -> Any:
    return {"containerStatuses": [{"name": "backup", "state": {kind: detail}}]}


def job_that(
    status: Any, log: str = "backup: OK filewallball_backup_20260101_000000.sql.gz", code: int = 0
) -> Cluster:
    objects = {
        ("Job", backup.JOB): {"metadata": {"uid": "job-1"}, "spec": {}, "status": status},
        ("Pod", "p"): pod(in_backup("terminated", exitCode=code)),
    }
    return Cluster(objects, log)


def test_a_backup_that_differs_is_a_warning(run_backup):
    cluster = job_that(
        ended("Complete"), "backup: WARNING filewallball_backup_20260101_000000.sql.gz is stored"
    )
    with pytest.raises(CheckWarned, match="was restored, but differs: view v"):
        run_backup(cluster, verified=False, differences=("view v: its definition differs. Run it.",))


def test_backup_that_is_made_and_agrees(run_backup):
    cluster = job_that(ended("Complete"))
    assert "restored on trial in 0.5 s, 1 tables and 3 rows agreed" in run_backup(cluster)
    assert cluster.deleted == [f"Job {backup.JOB}"]
    assert cluster.created[0]["spec"]["backoffLimit"] == 0
    assert cluster.created[0]["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("changes", "seen", "hint"),
    [
        ({"verified": False}, "was not restored on trial", "fwb up"),
        ({"created": datetime(2026, 1, 1, tzinfo=UTC)}, "before this run", "date -u"),
        ({"tables": {}}, "nothing of table fwb_check_1_backup", "Run `fwb up`"),
        ({"tables": {"fwb_check_1_backup": Table(2, 1, "x")}}, "2 rows of table", "Run `fwb up`"),
    ],
)
def test_backup_that_proves_nothing(run_backup, changes, seen, hint):
    with pytest.raises(CheckFailed) as caught:
        run_backup(job_that(ended("Complete")), **changes)
    assert seen in caught.value.observed
    assert hint in caught.value.hint


def test_backup_job_that_fails_tells_its_step_and_log(run_backup):
    cluster = job_that(
        ended("Failed", reason="BackoffLimitExceeded"), "one\nbackup: FAILED dump: disk full\n  free", 1
    )
    with pytest.raises(CheckFailed) as caught:
        run_backup(cluster)
    assert caught.value.observed == "the backup failed: dump: disk full"
    assert caught.value.hint.endswith("The log ends with: one | backup: FAILED dump: disk full |   free.")
    assert cluster.deleted == [f"Job {backup.JOB}"]


def test_backup_job_that_runs_something_else(run_backup):
    with pytest.raises(CheckFailed, match="without naming a backup"):
        run_backup(job_that(ended("Complete"), "hello"))


def test_backup_pod_that_cannot_start(run_backup):
    cluster = job_that({})
    cluster.objects["Pod", "p"] = pod(in_backup("waiting", reason="ErrImagePull", message="no such image"))
    with pytest.raises(CheckFailed) as caught:
        run_backup(cluster)
    assert "ErrImagePull: no such image" in caught.value.observed
    assert "describe cronjob" in caught.value.hint
    assert cluster.deleted == [f"Job {backup.JOB}"]


@pytest.mark.parametrize(("ago", "removed"), [(60, True), (1, False)])
def test_job_of_another_run_is_left_to_it_until_it_is_stale(run_backup, ago, removed):
    cluster = job_that(ended("Complete", ago=ago))
    cluster.taken = 1
    run_backup(cluster)
    assert cluster.deleted.count(f"Job {backup.JOB}") == (2 if removed else 1)
