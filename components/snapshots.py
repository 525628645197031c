"""Snapshots of the sessions: a CronJob takes, proves and uploads them, and a restore runs in its pod."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components import backup, network, pods, schema, valkey_pods
from components.kube import Object, config_map, files, fingerprint, labels, metadata, selector

NAME = "filewallball-valkey-snapshot"
CRON_JOB = "filewallball-valkey-snapshot-cronjob"
FOLDER = "valkey/"
"""What snapshots' keys in the store start with, after the store's own prefix."""
_LABELS = labels(NAME, "backup")
_WORK = "/work"


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
    credentials = f"/secrets/{valkey_pods.CREDENTIALS}"
    mounts = {"work": _WORK, "credentials": credentials}
    volumes = [
        pods.scratch_volume("work", settings.work_size),
        pods.config_volume("config", NAME),
        pods.secret_volume("credentials", valkey_pods.CREDENTIALS, ["backup-password", "sentinel-password"]),
    ]
    if secret := backup.store_secret(args.store):
        mounts["store"] = f"/secrets/{secret}"
        volumes.append(pods.secret_volume("store", secret))
    container = pods.container(
        "snapshot",
        args.image,
        settings.resources,
        ["python3", "-m", "filewallball.valkey.snapshots", "run"],
        mounts,
        env=_environment(args, credentials),
        writable=["work"],
    )
    # The very image of the set: what it can't load would be worth nothing there. A sidecar (Kubernetes 1.29)
    # is ended with the job's container, whichever way that ends.
    throwaway = pods.container(
        "throwaway",
        args.settings.image,
        args.settings.resources,
        ["/bin/sh", f"{pods.CONFIG_PATH}/throwaway.sh"],
        {"work": _WORK, "config": pods.CONFIG_PATH},
        writable=["work"],
        restartPolicy="Always",
    )
    template = pods.template(
        _LABELS | network.access("valkey", "store"),
        [container],
        volumes,
        annotations={"filewallball.io/config": config},
        service_account=NAME,
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


def _environment(args: SnapshotsArgs, credentials: str) -> dict[str, str]:
    sentinels = valkey_pods.SENTINEL
    environment = {
        "FWB_VALKEY_SENTINELS": ",".join(
            f"{sentinels}-{number}:{valkey_pods.SENTINEL_PORT}" for number in range(args.settings.sentinels)
        ),
        "FWB_VALKEY_MASTER": valkey_pods.MASTER,
        "FWB_VALKEY_PASSWORD_FILE": f"{credentials}/backup-password",
        "FWB_VALKEY_SENTINEL_PASSWORD_FILE": f"{credentials}/sentinel-password",
        "FWB_SNAPSHOTS_KEEP": str(args.settings.snapshots.keep),
        "FWB_STORE_BUCKET": args.store.bucket_name,
        "FWB_STORE_PREFIX": args.store.prefix + FOLDER,
        "FWB_STORE_REGION": args.store.region,
        "FWB_WORK_DIR": _WORK,
        "FWB_WORK_SIZE": args.settings.snapshots.work_size,
        "FWB_THROWAWAY_DIR": f"{_WORK}/throwaway",
        "HOME": _WORK,
    }
    if endpoint := backup.store_endpoint(args.store):
        environment["FWB_STORE_ENDPOINT"] = endpoint
    if secret := backup.store_secret(args.store):
        environment["FWB_STORE_ACCESS_KEY_FILE"] = f"/secrets/{secret}/access-key"
        environment["FWB_STORE_SECRET_KEY_FILE"] = f"/secrets/{secret}/secret-key"
    return environment


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
