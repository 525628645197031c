"""The session set's snapshots: planned as asked, and never too old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from facts.checks.backups import SnapshotsTarget
from filewallball.backup.store import StoreError
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import scheduled
from filewallball.kube import Kube
from filewallball.snapshots import catalogue

REMEDY = "`fwb valkey backup now STACK`"


def schedule(config: ChecksConfig) -> str:
    """The CronJob will start at the declared times."""
    return scheduled.schedule(
        config.namespace, config[SnapshotsTarget], "filewallball:valkey.snapshots.schedule"
    )


def freshness(config: ChecksConfig) -> str:
    """The newest snapshot that a server has loaded is young enough, or the first one isn't due yet."""
    target = config[SnapshotsTarget]
    store = scheduled.open_store(target)
    newest = catalogue.newest_verified(store)
    limit = timedelta(hours=target.max_age_hours)
    if (newest is None or datetime.now(UTC) - newest.created > limit) and _planned_within(config, limit):
        return (
            f"CronJob {target.cronjob} is new; the first snapshot is due by its schedule, {target.schedule}"
        )
    if newest is None:
        count = len(catalogue.entries(store))
        raise scheduled.none_at_all(config.namespace, target, store, count, "snapshot", REMEDY)
    found = scheduled.Newest("snapshot", REMEDY, store.settings.where, newest.name, newest.created)
    return scheduled.judge_age(config.namespace, target, found)


def _planned_within(config: ChecksConfig, limit: timedelta) -> bool:
    """Whether the CronJob hasn't been there for as long as a snapshot may be old."""
    with Kube.connect() as kube:
        made = scheduled.cronjob(kube, config.namespace, config[SnapshotsTarget])["metadata"][
            "creationTimestamp"
        ]
    return datetime.now(UTC) - datetime.fromisoformat(made) < limit


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What an error of the store means for the person who runs the stack."""
    if isinstance(error, StoreError):
        in_cluster = f"Look at `kubectl -n {config.namespace} get pods`, which shows whether the store runs."
        return CheckFailed(error.message, "the store answers", error.hint or in_cluster)
    return None


CHECKS = (
    Check("valkey-snapshot-schedule", schedule, quick=True, timeout=20, explain=explain),
    Check("valkey-snapshot-freshness", freshness, quick=True, timeout=60, explain=explain),
)

SUITE = Suite(SnapshotsTarget, CHECKS, place=90)
