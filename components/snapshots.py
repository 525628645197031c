"""Snapshots of the sessions: a CronJob takes, proves and uploads them, and a restore runs in its pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components import network, pods, schema, store_access
from components.kube import Object, config_map, files, fingerprint, labels, metadata, selector
from facts import valkey
from facts.pods import CONFIG_PATH, WORK_PATH, config_file, password_key, secret_file, secret_folder
from facts.snapshots import CONTAINER, CRON_JOB, FOLDER, MODULE, NAME, THROWAWAY_PATH, Variables

_USERS = ("backup", "sentinel")
_LABELS = labels(NAME, "backup")


@dataclass
class SnapshotsArgs:
    namespace: pulumi.Input[str]
    settings: schema.Valkey
    store: schema.Store
    image: str
    time_zone: str


class Snapshots(pulumi.ComponentResource):
    """The CronJob `filewallball-valkey-snapshot-cronjob` under its own ServiceAccount.

    The opening to a store outside of the cluster is the database backup's, by the same label.
    """

    fingerprint: str

    def __init__(self, name: str, args: SnapshotsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Snapshots", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings.snapshots
        config = files("snapshots")
        job = _job(args, fingerprint(config))
        self.fingerprint = fingerprint(job, settings.schedule, args.time_zone)
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(NAME, args.namespace, _LABELS, settings.service_account_annotations),
            "automountServiceAccountToken": False,
        }
        Object(f"{name}-account", account, child)
        Object(f"{name}-config", config_map(NAME, args.namespace, _LABELS, config), child)
        Object(f"{name}-schedule", _cron_job(args, job), child)
        self.register_outputs({})


def _job(args: SnapshotsArgs, config: str) -> dict[str, Any]:
    settings = args.settings.snapshots
    credentials = secret_folder(valkey.CREDENTIALS)
    mounts = {"work": WORK_PATH, "credentials": credentials, **store_access.mounts(args.store)}
    volumes = [
        pods.scratch_volume("work", settings.work_size),
        pods.config_volume("config", NAME),
        pods.secret_volume(
            "credentials", valkey.CREDENTIALS, [password_key("backup"), password_key("sentinel")]
        ),
        *store_access.volumes(args.store),
    ]
    leases = store_access.may_lack_guard(args.store)
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
        args.settings.image,
        args.settings.resources,
        ["/bin/sh", config_file("throwaway.sh")],
        {"work": WORK_PATH, "config": CONFIG_PATH},
        writable=["work"],
        restartPolicy="Always",
    )
    template = pods.template(
        _LABELS | network.access("valkey", "store", *(["kubernetes"] if leases else [])),
        [container],
        volumes,
        annotations={"filewallball.io/config": config},
        service_account=NAME,
        token=leases,
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
    return {
        Variables.SENTINELS: ",".join(
            f"{pod}:{valkey.SENTINEL_PORT}"
            for pod in valkey.pods_of(valkey.SENTINEL, args.settings.sentinels)
        ),
        Variables.MASTER: valkey.MASTER,
        Variables.PASSWORD_FILE: secret_file(valkey.CREDENTIALS, password_key("backup")),
        Variables.SENTINEL_PASSWORD_FILE: secret_file(valkey.CREDENTIALS, password_key("sentinel")),
        Variables.KEEP: str(args.settings.snapshots.keep),
        **store_access.environment(args.store, FOLDER),
        Variables.WORK_DIR: WORK_PATH,
        Variables.WORK_SIZE: args.settings.snapshots.work_size,
        Variables.THROWAWAY_DIR: THROWAWAY_PATH,
        "HOME": WORK_PATH,
    }


def _cron_job(args: SnapshotsArgs, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(CRON_JOB, args.namespace, _LABELS),
        "spec": {
            "schedule": args.settings.snapshots.schedule,
            "timeZone": args.time_zone,
            "concurrencyPolicy": "Forbid",
            # One that was missed by more is not made up for: the next one is near.
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 5,
            "jobTemplate": {"metadata": {"labels": _LABELS | selector(NAME)}, "spec": job},
        },
    }
