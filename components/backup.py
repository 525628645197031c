"""The nightly backup: a CronJob that dumps, restores on trial and uploads, and what it may reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi

from components import network, pods, schema
from components.kube import Object, fingerprint, labels, metadata, selector
from facts import mariadb, store
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
        self.register_outputs({})


def _port(endpoint: str | None) -> int:
    parts = urlsplit(endpoint or "https://")
    return parts.port or (80 if parts.scheme == "http" else 443)


def store_secret(settings: schema.Store) -> str | None:
    """The Secret with the store's keys; None where the ServiceAccount's own role is used."""
    return store.CREDENTIALS if settings.in_cluster else settings.credentials_secret


def store_endpoint(settings: schema.Store) -> str | None:
    """The URL of the store as pods see it; None for AWS."""
    return store.ENDPOINT if settings.in_cluster else settings.endpoint


def _environment(backup: schema.Backup) -> dict[str, str]:
    environment = {
        Variables.HOST: mariadb.NAME,
        Variables.PORT: str(mariadb.PORT),
        Variables.DATABASE: mariadb.DATABASE,
        Variables.USER: mariadb.user("backup"),
        Variables.PASSWORD_FILE: secret_file(mariadb.CREDENTIALS, password_key("backup")),
        store.Variables.BUCKET: backup.store.bucket_name,
        store.Variables.PREFIX: backup.store.prefix,
        store.Variables.REGION: backup.store.region,
        Variables.WORK_DIR: WORK_PATH,
        Variables.WORK_SIZE: backup.work_size,
        "HOME": WORK_PATH,
    }
    if endpoint := store_endpoint(backup.store):
        environment[store.Variables.ENDPOINT] = endpoint
    if secret := store_secret(backup.store):
        environment[store.Variables.ACCESS_KEY_FILE] = secret_file(secret, store.ACCESS_KEY)
        environment[store.Variables.SECRET_KEY_FILE] = secret_file(secret, store.SECRET_KEY)
    return environment


def _job(args: BackupArgs) -> dict[str, Any]:
    mounts = {"work": WORK_PATH, "database": secret_folder(mariadb.CREDENTIALS)}
    volumes = [
        pods.scratch_volume("work", args.settings.work_size),
        pods.secret_volume("database", mariadb.CREDENTIALS, [password_key("backup")]),
    ]
    if secret := store_secret(args.settings.store):
        mounts["store"] = secret_folder(secret)
        volumes.append(pods.secret_volume("store", secret))
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
        _LABELS | network.access("mariadb", "store"),
        [container],
        volumes,
        service_account=NAME,
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
