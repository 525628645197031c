"""The backups: planned as asked, made now and proven, and never too old."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from facts import backup
from facts.checks.backups import BackupTarget
from facts.checks.mariadb import MariadbTarget
from filewallball.backup import catalogue, verdict
from filewallball.backup.manifest import Manifest
from filewallball.backup.store import Store, StoreError
from filewallball.backup.work import WORK
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import mariadb_session, scheduled
from filewallball.checks.suites.mariadb_session import connected, query, tables
from filewallball.jobs import following, manifests
from filewallball.jobs.following import CannotStart, JobFailed, JobPod
from filewallball.kube import Kube, KubeError

Object = dict[str, Any]

JOB = backup.CHECK_JOB
"""The checks' Role allows to look at Jobs and delete them under this name only."""
POLL_SECONDS = 0.3
OTHERS_GRACE_SECONDS = 20
"""How long a finished Job of that name may still be read by the run that made it."""
DEFAULT_DEADLINE_SECONDS = 3600
LOG_LINES = 8
_FAILED = "backup: FAILED "
PLANTED = ("('a')", "('나')", "('🚀')")
"""Rows that the check adds in its own table first: an empty database would agree with any restore."""


def schedule(config: ChecksConfig) -> str:
    """The CronJob will start at the declared times."""
    return scheduled.schedule(config.namespace, config[BackupTarget], "filewallball:backup.schedule")


def run_now(config: ChecksConfig) -> str:
    """A Job made from the CronJob leaves a backup in the store that is whole and was restored on trial."""
    store = open_store(config)
    begin = datetime.now(UTC) - timedelta(seconds=5)
    with Kube.connect() as kube, tables(config) as run:
        cron_job = scheduled.cronjob(kube, config.namespace, config[BackupTarget])
        planted = run.name("backup")
        with connected(config[MariadbTarget]) as database:
            query(database, f"CREATE TABLE `{planted}` (name VARCHAR(20) PRIMARY KEY)")
            query(database, f"INSERT INTO `{planted}` VALUES {', '.join(PLANTED)}")
        job = _create(kube, config, cron_job)
        try:
            log = _finish(kube, config, job)
        finally:
            kube.delete("batch/v1", "Job", JOB, config.namespace, uid=job["metadata"]["uid"])
    manifest = catalogue.find(store, _name_in(log))
    _judge(manifest, begin, planted)
    catalogue.check_stored(store, manifest)
    _warn_if_differing(manifest, "")
    rows = sum(table.rows for table in manifest.tables.values())
    return (
        f"{manifest.name}: {manifest.bytes} bytes in the store as in the manifest, restored on trial in "
        f"{manifest.restore_seconds:.1f} s, {len(manifest.tables)} tables and {rows} rows agreed"
    )


def _warn_if_differing(manifest: Manifest, more: str) -> None:
    """Raise CheckWarned if the backup was restored, but differs; `more` is told of the others."""
    if manifest.differences:
        raise CheckWarned(
            f"{manifest.name} was restored, but differs: {verdict.summary(manifest)}{more}",
            "a verified backup",
            f"{' '.join(manifest.differences)} Then run `fwb backup now STACK`.",
        )


def _judge(manifest: Manifest, begin: datetime, planted: str) -> None:
    if manifest.verdict is None:
        raise CheckFailed(
            f"{manifest.name} was not restored on trial",
            "a backup that was restored into a throw-away server and agreed",
            "The toolkit image is older than this check. Run `fwb up`, which renews it.",
        )
    if manifest.created < begin:
        raise CheckFailed(
            f"{manifest.name} was made at {manifest.created:%Y-%m-%d %H:%M:%S} UTC, before this run",
            "a new backup",
            "The clocks of the nodes differ, or the Job named an old backup. Compare `date -u` on the nodes, "
            "and set the wrong clock.",
        )
    found = manifest.tables.get(planted)
    if found is None or found.rows != len(PLANTED):
        raise CheckFailed(
            f"{manifest.name} holds {f'{found.rows} rows of' if found else 'nothing of'} table {planted}, "
            f"which had {len(PLANTED)} rows when the Job began",
            "all that is in the database",
            "Somebody changed the CronJob by hand: it backs up another server than the one that applications "
            f"use, or another database ({manifest.database}). Run `fwb up`, which sets it back.",
        )


def _create(kube: Kube, config: ChecksConfig, cron_job: Object) -> Object:
    """Make the Job. One that another run made is waited for, one that a killed run left is removed."""
    manifest = manifests.of_cron_job(cron_job, JOB, config.namespace)
    seconds = manifest["spec"].get("activeDeadlineSeconds") or DEFAULT_DEADLINE_SECONDS
    deadline = time.monotonic() + float(seconds)
    while True:
        try:
            return kube.create(manifest)
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise
        other = kube.get("batch/v1", "Job", JOB, config.namespace)
        if other and following.outcome(other) and _age(other) > OTHERS_GRACE_SECONDS:
            kube.delete("batch/v1", "Job", JOB, config.namespace, uid=other["metadata"]["uid"])
        if time.monotonic() > deadline:
            raise CheckFailed(
                f"Job {JOB} of another run doesn't end",
                "one such run at a time",
                f"Run `kubectl -n {config.namespace} delete job {JOB}`, and run the check again.",
            )
        time.sleep(POLL_SECONDS)


def _age(job: Object) -> float:
    """Seconds since the Job ended."""
    return (datetime.now(UTC) - datetime.fromisoformat(following.outcome_at(job))).total_seconds()


def _finish(kube: Kube, config: ChecksConfig, job: Object) -> list[str]:
    """Wait for the Job's end and return its log's lines. Raises CheckFailed with the reason if it fails."""
    pod = JobPod(kube, config.namespace, job, WORK)
    try:
        log = list(pod.lines())
    except CannotStart as error:
        raise CheckFailed(
            error.message,
            "the Job made from the CronJob runs",
            "Look at the image, the volumes and the Secrets in `kubectl -n "
            f"{config.namespace} describe cronjob {config[BackupTarget].cronjob}`. Correct what the message "
            "names, and run `fwb up`.",
        ) from error
    except JobFailed as error:
        raise CheckFailed(error.message, "it runs to its end", error.hint) from error
    how = pod.end or {}
    if how.get("exitCode") == 0:
        return log
    # the backup says itself which step failed and why
    told = [line.removeprefix(_FAILED) for line in log if line.startswith(_FAILED)]
    why = pod.blame() or (told[0] if told else f"{how.get('reason', '')}, exit code {how.get('exitCode')}")
    raise CheckFailed(
        f"the backup failed: {why}",
        "the Job made from the CronJob succeeds",
        "Correct what the log names, and run `fwb check STACK backup-run` again. The log ends with: "
        f"{' | '.join(log[-LOG_LINES:]) or 'nothing'}.",
    )


def _name_in(log: list[str]) -> str:
    """The name of the backup that the Job says it made."""
    match = next(filter(None, (re.match(r"backup: (?:OK|WARNING) (\S+)", line) for line in log)), None)
    if match is None:
        raise CheckFailed(
            f"the Job succeeded without naming a backup; its log ends with {' | '.join(log[-LOG_LINES:])!r}",
            "`backup: OK <name>`",
            "Somebody changed the CronJob by hand: it runs another program than the backup. Run `fwb up`, "
            "which sets it back.",
        )
    return match[1]


REMEDY = "`fwb check STACK backup-run`"


def freshness(config: ChecksConfig) -> str:
    """The newest backup that was restored on trial is young enough, and is the same as the database."""
    store = open_store(config)
    newest = catalogue.newest(store)
    if newest is None:
        count = len(catalogue.entries(store))
        raise scheduled.none_at_all(config.namespace, config[BackupTarget], store, count, "backup", REMEDY)
    found = scheduled.Newest("backup", REMEDY, store.settings.where, newest.name, newest.created)
    seen = scheduled.judge_age(config.namespace, config[BackupTarget], found)
    if newest.differences:
        verified = catalogue.newest_verified(store)
        which = f"the newest verified one is {verified.name}" if verified else "none is verified"
        _warn_if_differing(newest, f"; {which}")
    return seen


def open_store(config: ChecksConfig) -> Store:
    """The bucket of the stack, by the checks' own mounted credentials."""
    return scheduled.open_store(config[BackupTarget])


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What an error of the store means for the person who runs the stack."""
    if isinstance(error, catalogue.Damaged):
        return CheckFailed(
            error.message,
            "a backup that is whole",
            error.hint or "Run `fwb backup now STACK`, which makes another backup.",
        )
    if isinstance(error, StoreError):
        in_cluster = f"Look at `kubectl -n {config.namespace} get pods`, which shows whether the store runs."
        return CheckFailed(error.message, "the store answers", error.hint or in_cluster)
    return mariadb_session.explain(config, error)


CHECKS = (
    Check("backup-schedule", schedule, quick=True, timeout=20, explain=explain),
    # as long as the Job itself may take
    Check("backup-run", run_now, timeout=4 * 3600, explain=explain),
    Check("backup-freshness", freshness, quick=True, timeout=60, explain=explain),
)

SUITE = Suite(BackupTarget, CHECKS, place=80)
