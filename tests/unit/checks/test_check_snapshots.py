"""What valkey-snapshot-schedule and -freshness make of the CronJob and of the newest snapshot's time."""

from __future__ import annotations

import json
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from fake_cluster import Cluster, container, pod
from test_checks_config import document

from facts.checks.backups import SnapshotsTarget
from filewallball.backup.store import StoreError
from filewallball.checks import config
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.suites import scheduled, valkey_snapshots

CONFIG = config.parse(json.dumps(document()))
NAME = "valkey_snapshot_20260101_000000.rdb"
LIMIT = timedelta(hours=CONFIG[SnapshotsTarget].max_age_hours)


@pytest.fixture
def planned(monkeypatch):
    """`planned(ago, **spec)`: a cluster with the CronJob, made that long ago.

    `up`: how long the stack's servers have run; `last`: when the CronJob started something.
    """

    def make(
        ago: timedelta, up: timedelta = timedelta(days=9), last: timedelta | None = None, **spec: object
    ) -> None:
        made = (datetime.now(UTC) - ago).isoformat()
        right = {"schedule": "15 * * * *", "timeZone": "Asia/Seoul", "concurrencyPolicy": "Forbid"}
        name = CONFIG[SnapshotsTarget].cronjob
        found = {"metadata": {"creationTimestamp": made}, "spec": {**right, **spec}, "status": {}}
        if last is not None:
            found["status"] = {"lastScheduleTime": (datetime.now(UTC) - last).isoformat()}
        young = pod(container("running", startedAt=datetime.now(UTC).isoformat()))
        old = pod(container("running", startedAt=(datetime.now(UTC) - up).isoformat()))
        ended = pod(container("terminated", startedAt=made))
        cluster = Cluster(
            {("CronJob", name): found, ("Pod", "a"): young, ("Pod", "b"): old, ("Pod", "c"): ended}
        )
        for module in (scheduled, valkey_snapshots):
            monkeypatch.setattr(module, "Kube", SimpleNamespace(connect=lambda: nullcontext(cluster)))

    return make


@pytest.fixture
def freshness(monkeypatch):
    """`freshness(age)`: the check with a store whose newest verified snapshot is that old; None: none is."""

    def run(age: timedelta | None) -> str:
        newest = None if age is None else SimpleNamespace(name=NAME, created=datetime.now(UTC) - age)
        store = SimpleNamespace(settings=SimpleNamespace(where="s3://bucket/valkey/"))
        monkeypatch.setattr(scheduled, "open_store", lambda _target: store)
        monkeypatch.setattr(valkey_snapshots.catalogue, "newest_verified", lambda _store: newest)
        monkeypatch.setattr(valkey_snapshots.catalogue, "entries", lambda _store: [newest, newest])
        return valkey_snapshots.freshness(CONFIG)

    return run


@pytest.mark.parametrize("age", [timedelta(minutes=-9), timedelta(), LIMIT - timedelta(minutes=1)])
@pytest.mark.parametrize("ago", [timedelta(), timedelta(days=9)])
def test_a_young_snapshot(planned, freshness, ago, age):
    planned(ago)
    assert NAME in freshness(age)


@pytest.mark.parametrize("age", [None, timedelta(days=40)])
def test_a_fresh_stack_has_no_young_snapshot_yet(planned, freshness, age):
    planned(timedelta(hours=1))
    assert "the first snapshot is due by its schedule, 15 * * * *" in freshness(age)


def test_a_snapshot_that_is_too_old(planned, freshness):
    planned(timedelta(days=40))
    with pytest.raises(CheckFailed, match="h old") as caught:
        freshness(LIMIT + timedelta(minutes=1))
    assert caught.value.expected == "younger than 3 h"
    assert "fwb valkey backup now" in caught.value.hint


def test_a_stack_that_was_stopped_over_night(planned, freshness):
    planned(timedelta(days=40), up=timedelta(minutes=2), last=timedelta(hours=6))
    with pytest.raises(CheckWarned) as caught:
        freshness(timedelta(hours=6))
    assert "6.0 h old: the stack was stopped meanwhile, and was started 2 min ago" in caught.value.observed
    assert "due by its schedule, 15 * * * * Asia/Seoul" in caught.value.hint


def test_a_stack_that_was_stopped_before_its_first_snapshot(planned, freshness):
    planned(timedelta(days=40), up=timedelta(minutes=2))
    with pytest.raises(CheckWarned, match=r"no verified snapshot .* the stack was stopped meanwhile"):
        freshness(None)


@pytest.mark.parametrize(
    ("up", "last"),
    [
        (LIMIT + timedelta(minutes=1), timedelta(hours=6)),  # one was due since, and not even begun
        (timedelta(minutes=2), timedelta(minutes=30)),  # the servers are new, but the Jobs run and fail
    ],
)
def test_a_stack_that_was_not_stopped(planned, freshness, up, last):
    planned(timedelta(days=40), up=up, last=last)
    with pytest.raises(CheckFailed, match="h old") as caught:
        freshness(timedelta(hours=6))
    assert caught.value.status == "failed"


def test_no_snapshot_although_some_were_due(planned, freshness):
    planned(LIMIT + timedelta(minutes=1))
    with pytest.raises(CheckFailed) as caught:
        freshness(None)
    assert caught.value.observed == "no verified snapshot in s3://bucket/valkey/, 2 in all"
    assert CONFIG[SnapshotsTarget].cronjob in caught.value.hint


def test_a_snapshot_from_the_future(planned, freshness):
    planned(timedelta(days=9))
    with pytest.raises(CheckFailed, match="in the future"):
        freshness(timedelta(minutes=-11))


def test_a_schedule_as_declared(planned):
    planned(timedelta())
    assert valkey_snapshots.schedule(CONFIG) == "15 * * * * Asia/Seoul"


def test_a_schedule_that_was_edited(planned):
    planned(timedelta(), suspend=True, schedule="0 0 * * *")
    with pytest.raises(CheckFailed) as caught:
        valkey_snapshots.schedule(CONFIG)
    assert caught.value.observed == "schedule is 0 0 * * *, suspend is true"
    assert "valkey.snapshots.schedule" in caught.value.hint


def test_a_store_that_does_not_answer():
    failed = valkey_snapshots.explain(CONFIG, StoreError("no answer from http://store:7070"))
    assert failed is not None
    assert "no answer" in failed.observed
    assert "get pods" in failed.hint
    assert valkey_snapshots.explain(CONFIG, ValueError()) is None
