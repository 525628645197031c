"""Snapshots of the sessions: a CronJob takes, proves and uploads them, and a restore runs in its pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, rights, schema
from components.described import Checked, Described, Description, Right
from components.endpoints import Bucket, SessionSet, trusted
from components.kube import (
    Object,
    config_map,
    files,
    fingerprint,
    labels,
    metadata,
    selector,
)
from facts import store, valkey
from facts.checks import NAME as CHECKS
from facts.checks.backups import SnapshotsTarget
from facts.pods import CONFIG_PATH, WORK_PATH, config_file, password_key, secret_file, secret_folder
from facts.policy import BACKS_UP
from facts.snapshots import CONTAINER, CRON_JOB, FOLDER, MODULE, NAME, THROWAWAY_PATH, Variables

if TYPE_CHECKING:
    from components import kinds

_KEYS = [password_key(user) for user in ("backup", "sentinel")]
_LABELS = labels(NAME, "backup")


@dataclass
class SnapshotsArgs:
    """`bucket`: that of all backups; snapshots lie in a folder of their own below its prefix."""

    namespace: pulumi.Input[str]
    settings: schema.Snapshots
    sessions: SessionSet
    bucket: Bucket
    image: str
    time_zone: str


class Snapshots(Described):
    """The CronJob `filewallball-valkey-snapshot-cronjob` under its own ServiceAccount.

    The opening to a store outside of the cluster is the database backup's, by the same label.
    """

    def __init__(self, name: str, args: SnapshotsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Snapshots", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        config = files("snapshots")
        job = _job(args, fingerprint(config))
        self.description = Description(
            fingerprint(job, settings.schedule, args.time_zone), checked=_checked(args)
        )
        annotations = args.bucket.annotations(NAME) | settings.service_account_annotations
        account = rights.service_account(NAME, args.namespace, _LABELS, annotations)
        Object(f"{name}-account", account, child)
        Object(f"{name}-config", config_map(NAME, args.namespace, _LABELS, config), child)
        needed = pulumi.ResourceOptions(depends_on=[args.sessions.server, *args.bucket.needed()])
        Object(f"{name}-schedule", _cron_job(args, job), pulumi.ResourceOptions.merge(child, needed))
        self.register_outputs({})


def _checked(args: SnapshotsArgs) -> Checked:
    return Checked(
        SnapshotsTarget(
            cronjob=CRON_JOB,
            schedule=args.settings.schedule,
            time_zone=args.time_zone,
            max_age_hours=args.settings.max_age_hours,
            store=args.bucket.below(FOLDER).target(),
        ),
        access=(store.NAME,),
        rights=(Right("batch", "cronjobs", ("get",), (CRON_JOB,)),),
        secrets=args.bucket.files(),
        annotations=args.bucket.annotations(CHECKS),
    )


def _job(args: SnapshotsArgs, config: str) -> kinds.JobSpec:
    settings, sessions = args.settings, args.sessions
    mounts = {"work": WORK_PATH, "credentials": secret_folder(sessions.secret)}
    volumes = [
        pods.scratch_volume("work", settings.work_size),
        pods.config_volume("config", NAME),
        pods.secret_volume("credentials", sessions.secret, _KEYS),
    ]
    for each in (*args.bucket.files(), *trusted(sessions.tls)[0]):
        mounts[each.volume] = each.path
        volumes.append(each.source())
    container = pods.container(
        CONTAINER,
        args.image,
        settings.resources,
        ["python3", "-m", MODULE, "run"],
        mounts,
        env=_environment(args),
        writable=["work"],
    )
    # The very image of the set: what it can't load would be worth nothing there. A sidecar (Kubernetes 1.29)
    # is ended with the job's container, whichever way that ends.
    throwaway = pods.container(
        "throwaway",
        sessions.image,
        sessions.resources,
        ["/bin/sh", config_file("throwaway.sh")],
        {"work": WORK_PATH, "config": CONFIG_PATH},
        writable=["work"],
        restartPolicy="Always",
    )
    template = pods.template(
        _LABELS | network.access(valkey.NAME, *args.bucket.access()),
        [container],
        volumes,
        annotations={"filewallball.io/config": config},
        service_account=NAME,
        token=args.bucket.may_lack_guard,
        grace_seconds=30,
        restartPolicy="Never",
        initContainers=[throwaway],
    )
    return {
        # A second try mends what passes by itself, such as a failover at that moment.
        "backoffLimit": 1,
        "activeDeadlineSeconds": settings.deadline_minutes * 60,
        "template": template,
    }


def _environment(args: SnapshotsArgs) -> dict[str, str]:
    sessions = args.sessions
    bucket = args.bucket.below(FOLDER)
    backup, sentinel = (secret_file(sessions.secret, key) for key in _KEYS)
    return {
        Variables.SENTINELS: ",".join(sessions.sentinels),
        Variables.MASTER: sessions.master,
        Variables.PASSWORD_FILE: backup,
        Variables.SENTINEL_PASSWORD_FILE: sentinel,
        Variables.KEEP: str(args.settings.keep),
        **bucket.place(),
        Variables.WORK_DIR: WORK_PATH,
        Variables.WORK_SIZE: args.settings.work_size,
        Variables.THROWAWAY_DIR: THROWAWAY_PATH,
        "HOME": WORK_PATH,
        **bucket.way(),
        **trusted(sessions.tls)[1],
    }


def _cron_job(args: SnapshotsArgs, job: kinds.JobSpec) -> kinds.CronJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(CRON_JOB, args.namespace, _LABELS, {BACKS_UP: valkey.NAME}),
        "spec": {
            "schedule": args.settings.schedule,
            "timeZone": args.time_zone,
            "concurrencyPolicy": "Forbid",
            # One that was missed by more is not made up for: the next one is near.
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 5,
            "jobTemplate": {"metadata": {"labels": _LABELS | selector(NAME)}, "spec": job},
        },
    }
