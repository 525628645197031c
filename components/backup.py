"""The nightly backup: a CronJob that dumps, restores on trial and uploads, and what it may reach.

Beside it the pod in which a backup takes the place of the database, for `fwb restore` to start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pulumi

from components import network, pods, rights, schema
from components.described import Checked, Described, Description, Right
from components.endpoints import Bucket, Database, dumped, lease_rights, trusted
from components.kube import Object, fingerprint, labels, metadata, selector
from components.values import quantity_bytes
from facts import mariadb, recovery, store
from facts.backup import CHECK_JOB, CONTAINER, CRON_JOB, MODULE, NAME, Variables
from facts.checks import NAME as CHECKS
from facts.checks.backups import BackupTarget
from facts.pods import WORK_PATH, secret_folder
from facts.policy import BACKS_UP

if TYPE_CHECKING:
    from typing import Unpack

    from components import kinds

_LABELS = labels(NAME, "backup")


@dataclass
class BackupArgs:
    namespace: pulumi.Input[str]
    settings: schema.Backup
    database: Database
    bucket: Bucket
    image: str
    time_zone: str


class Backup(Described):
    """The CronJob `filewallball-backup-cronjob` under its own ServiceAccount."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Backup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        job = _job(args)
        self.description = Description(
            fingerprint(job, args.settings.schedule, args.time_zone), checked=_checked(args)
        )
        Object(
            f"{name}-account",
            rights.service_account(
                NAME,
                args.namespace,
                _LABELS,
                args.bucket.annotations(NAME) | args.settings.service_account_annotations,
            ),
            child,
        )
        needed = pulumi.ResourceOptions(depends_on=[args.database.server, *args.bucket.needed()])
        Object(f"{name}-schedule", _cron_job(args, job), pulumi.ResourceOptions.merge(child, needed))
        Object(f"{name}-restore", _restoring(args), pulumi.ResourceOptions.merge(child, needed))
        if not args.bucket.server:
            # 443 also for the role's token service
            ports = sorted({443, _port(args.bucket.endpoint)})
            Object(
                f"{name}-store-clients", network.outward(store.NAME, args.namespace, "backup", ports), child
            )
        if args.bucket.may_lack_guard:
            for part, manifest in lease_rights(args.namespace).items():
                Object(f"{name}-lease-{part}", manifest, child)
        self.register_outputs({})


def _checked(args: BackupArgs) -> Checked:
    settings = args.settings
    return Checked(
        BackupTarget(
            cronjob=CRON_JOB,
            schedule=settings.schedule,
            time_zone=args.time_zone,
            max_age_hours=settings.max_age_hours,
            store=args.bucket.target(),
        ),
        access=(store.NAME,),
        rights=(
            Right("batch", "cronjobs", ("get",), (CRON_JOB,)),
            Right("batch", "jobs", ("create",)),  # a create can't be held to a name
            Right("batch", "jobs", ("get", "delete"), (CHECK_JOB,)),
        ),
        secrets=args.bucket.files(),
        annotations=args.bucket.annotations(CHECKS),
        # An object is downloaded and unpacked: as much room as the backup that wrote it had.
        room=quantity_bytes(settings.work_size),
        # They run a whole backup, and wait for it as long as it may take.
        minutes=settings.deadline_minutes,
    )


def _port(endpoint: str | None) -> int:
    parts = urlsplit(endpoint or "https://")
    return parts.port or (80 if parts.scheme == "http" else 443)


def _environment(args: BackupArgs) -> dict[str, str]:
    database = args.database
    return {
        **dumped(database, args.settings.recipients),
        **args.bucket.place(),
        Variables.WORK_DIR: WORK_PATH,
        Variables.WORK_SIZE: args.settings.work_size,
        Variables.KEEP_DAYS: str(args.settings.keep_days),
        Variables.RATE: args.settings.rate,
        Variables.DEADLINE_SECONDS: str(args.settings.deadline_minutes * 60),
        Variables.COMPRESSION: args.settings.compression,
        "HOME": WORK_PATH,
        **args.bucket.way(),
        **trusted(database.tls)[1],
    }


def _job(args: BackupArgs) -> kinds.JobSpec:
    return {
        # A second try mends what passes by itself; a third would only delay the alarm.
        "backoffLimit": 1,
        "activeDeadlineSeconds": args.settings.deadline_minutes * 60,
        "template": _template(args, CONTAINER, [MODULE, "run"], {}, {}, restartPolicy="Never"),
    }


def _restoring(args: BackupArgs) -> kinds.PodTemplate:
    """The backup's pod with the server's volume, which can only be had where the server is."""
    template = _template(
        args,
        recovery.CONTAINER,
        [recovery.MODULE, "--help"],
        {"data": recovery.VOLUME_PATH},
        # Whoever restores is in a hurry: its backups read as fast as they can.
        {recovery.Variables.VOLUME: recovery.VOLUME_PATH, Variables.RATE: "0"},
        restartPolicy="Never",
        # It makes two backups, and loads one.
        activeDeadlineSeconds=4 * args.settings.deadline_minutes * 60,
        affinity={
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {"matchLabels": selector(mariadb.NAME)},
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        },
    )
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": metadata(recovery.NAME, args.namespace, _LABELS),
        "template": template,
    }


def _template(
    args: BackupArgs,
    container: str,
    words: list[str],
    claimed: dict[str, str],
    told: dict[str, str],
    **more: Unpack[kinds.PodSpecMore],
) -> kinds.PodTemplateSpec:
    """`claimed`: where the server's volume is, in a pod that has it. `told`: more of its environment."""
    database = args.database
    mounts = {"work": WORK_PATH, "database": secret_folder(database.secret), **claimed}
    volumes = [
        pods.scratch_volume("work", args.settings.work_size),
        pods.secret_volume("database", database.secret, [database.key]),
        *(pods.claim_volume(name, mariadb.CLAIM) for name in claimed),
    ]
    for each in (*args.bucket.files(), *trusted(database.tls)[0]):
        mounts[each.volume] = each.path
        volumes.append(each.source())
    return pods.template(
        _LABELS | network.access(database.access, *args.bucket.access()),
        [
            pods.container(
                container,
                args.image,
                args.settings.resources,
                ["python3", "-m", *words],
                mounts,
                env=_environment(args) | told,
                writable=["work", *claimed],
            )
        ],
        volumes,
        service_account=NAME,
        token=args.bucket.may_lack_guard,
        grace_seconds=30,
        **more,
    )


def _cron_job(args: BackupArgs, job: kinds.JobSpec) -> kinds.CronJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(CRON_JOB, args.namespace, _LABELS, {BACKS_UP: args.database.host}),
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
