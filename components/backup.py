"""The nightly backup: a CronJob that dumps, restores on trial and uploads, and what it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components import network, pods, schema, store_access
from components.kube import Object, fingerprint, labels, metadata, selector
from facts import mariadb
from facts.backup import CONTAINER, CRON_JOB, MODULE, NAME, Variables
from facts.pods import WORK_PATH, password_key, secret_file, secret_folder

_LABELS = labels(NAME, "backup")


@dataclass
class BackupArgs:
    namespace: pulumi.Input[str]
    settings: schema.Backup
    image: str
    time_zone: str


class Backup(pulumi.ComponentResource):
    """The CronJob `filewallball-backup-cronjob` under its own ServiceAccount."""

    fingerprint: str

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Backup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        job = _job(args)
        self.fingerprint = fingerprint(job, args.settings.schedule, args.time_zone)
        Object(
            f"{name}-account",
            {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": metadata(
                    NAME, args.namespace, _LABELS, args.settings.service_account_annotations
                ),
                "automountServiceAccountToken": False,
            },
            child,
        )
        Object(f"{name}-schedule", _cron_job(args, job), child)
        if not args.settings.store.in_cluster:
            ports = sorted(
                {443, _port(args.settings.store.endpoint)}
            )  # 443 also for the role's token service
            Object(f"{name}-store-clients", network.outward("store", args.namespace, "backup", ports), child)
        if store_access.may_lack_guard(args.settings.store):
            for part, manifest in store_access.lease_rights(args.namespace).items():
                Object(f"{name}-lease-{part}", manifest, child)
        self.register_outputs({})


def _port(endpoint: str | None) -> int:
    parts = urlsplit(endpoint or "https://")
    return parts.port or (80 if parts.scheme == "http" else 443)


def _environment(backup: schema.Backup) -> dict[str, str]:
    return {
        Variables.HOST: mariadb.NAME,
        Variables.PORT: str(mariadb.PORT),
        Variables.DATABASE: mariadb.DATABASE,
        Variables.USER: mariadb.user("backup"),
        Variables.PASSWORD_FILE: secret_file(mariadb.CREDENTIALS, password_key("backup")),
        **store_access.environment(backup.store),
        Variables.WORK_DIR: WORK_PATH,
        Variables.WORK_SIZE: backup.work_size,
        "HOME": WORK_PATH,
    }


def _job(args: BackupArgs) -> dict[str, Any]:
    given = args.settings.store
    mounts = {
        "work": WORK_PATH,
        "database": secret_folder(mariadb.CREDENTIALS),
        **store_access.mounts(given),
    }
    volumes = [
        pods.scratch_volume("work", args.settings.work_size),
        pods.secret_volume("database", mariadb.CREDENTIALS, [password_key("backup")]),
        *store_access.volumes(given),
    ]
    leases = store_access.may_lack_guard(given)
    container = pods.container(
        CONTAINER,
        args.image,
        args.settings.resources,
        ["python3", "-m", MODULE, "run"],
        mounts,
        env=_environment(args.settings),
        writable=["work"],
    )
    template = pods.template(
        _LABELS | network.access("mariadb", "store", *(["kubernetes"] if leases else [])),
        [container],
        volumes,
        service_account=NAME,
        token=leases,
        grace_seconds=30,
        restartPolicy="Never",
    )
    return {
        # A second try mends what passes by itself; a third would only delay the alarm.
        "backoffLimit": 1,
        "activeDeadlineSeconds": args.settings.deadline_minutes * 60,
        "template": template,
    }


def _cron_job(args: BackupArgs, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(CRON_JOB, args.namespace, _LABELS),
        "spec": {
            "schedule": args.settings.schedule,
            "timeZone": args.time_zone,
            "concurrencyPolicy": "Forbid",
            # A cluster that was down at the hour makes the backup up within the next six.
            "startingDeadlineSeconds": 6 * 3600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 5,
            "jobTemplate": {"metadata": {"labels": _LABELS | selector(NAME)}, "spec": job},
        },
    }
