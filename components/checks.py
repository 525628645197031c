"""The smoke checks: a Job that runs again whenever something that it tests has changed.

The Job's name ends in a hash of all that it depends on. A change makes a new Job, and a failing check fails
the deployment; no change, no Job. `fwb check` runs the same pod on demand, from the PodTemplate beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from components import backup, network, pods, schema, snapshots, store_access, valkey
from components.kube import Object, config_map, fingerprint, labels, metadata
from components.values import quantity_bytes
from facts import checks as facts
from facts import mariadb, redis
from facts.backup import CHECK_JOB
from facts.checks import NAME
from facts.checks.backups import BackupTarget, SnapshotsTarget
from facts.checks.mariadb import MariadbTarget
from facts.checks.redis import RedisTarget
from facts.pods import CONFIG_PATH, password_key, secret_file, secret_folder

if TYPE_CHECKING:
    import settings

_LABELS = labels(NAME, "checks")


@dataclass
class ChecksArgs:
    namespace: pulumi.Input[str]
    settings: settings.Settings
    image: str
    configurations: Mapping[str, str]  # file name → text, as the servers read it
    fingerprints: Sequence[str]
    after: Sequence[pulumi.Resource]
    run: bool = True


class Checks(pulumi.ComponentResource):
    """The checks' Job, and the narrow rights that they run with."""

    def __init__(self, name: str, args: ChecksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Checks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        config = {facts.FILE: _config(args.settings), **args.configurations}
        template = _template(args, fingerprint(config))
        rules = _rules(disposable=args.settings.disposable)
        config_object = Object(f"{name}-config", config_map(NAME, args.namespace, _LABELS, config), child)
        rights = [
            Object(f"{name}-{part}", manifest, child) for part, manifest in _rights(args, rules).items()
        ]
        Object(
            f"{name}-template",
            {"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata(NAME, args.namespace, _LABELS),
             "template": template},
            child,
        )  # fmt: skip
        api = Object(
            f"{name}-kubernetes-clients",
            network.outward("kubernetes", args.namespace, "checks", args.settings.cluster.api_server_ports),
            child,
        )
        if args.run:
            suffix = fingerprint(template, rules, *args.fingerprints)
            # They run a whole backup, and wait for it as long as it may take.
            minutes = 10 + args.settings.backup.deadline_minutes
            needed = pulumi.ResourceOptions(
                depends_on=[*args.after, config_object, *rights, api],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{minutes + 2}m", delete="2m"),
            )
            options = pulumi.ResourceOptions.merge(child, needed)
            job = _job(f"{NAME}-{suffix}", args.namespace, template, minutes)
            Object(f"{name}-{suffix}", job, options)
        self.register_outputs({})


def _config(stack: settings.Settings) -> str:
    return facts.document(
        stack.namespace,
        [
            RedisTarget(
                host=redis.NAME,
                password_file=secret_file(redis.CREDENTIALS, password_key(facts.USER)),
                latency_limit_ms=stack.checks.cache_latency_ms,
                hit_rate_min=stack.checks.cache_hit_rate,
                memory_max=stack.checks.cache_memory,
            ),
            MariadbTarget(
                host=mariadb.NAME,
                database=mariadb.DATABASE,
                app_user=mariadb.user("app"),
                app_password_file=secret_file(mariadb.CREDENTIALS, password_key("app")),
                monitor_user=mariadb.user("monitor"),
                monitor_password_file=secret_file(mariadb.CREDENTIALS, password_key("monitor")),
                latency_limit_ms=stack.checks.database_latency_ms,
            ),
            valkey.for_checks(stack.valkey),
            BackupTarget(
                cronjob=backup.CRON_JOB,
                schedule=stack.backup.schedule,
                time_zone=stack.time_zone,
                max_age_hours=stack.backup.max_age_hours,
                store=store_access.target(stack.backup.store),
            ),
            SnapshotsTarget(
                cronjob=snapshots.CRON_JOB,
                schedule=stack.valkey.snapshots.schedule,
                time_zone=stack.time_zone,
                max_age_hours=stack.valkey.snapshots.max_age_hours,
                store=store_access.target(stack.backup.store, snapshots.FOLDER),
            ),
        ],
        disposable=stack.disposable,
    )


def _rules(*, disposable: bool) -> list[dict[str, Any]]:
    """What the checks may do in the namespace: look at what they test, and run one backup."""
    rules = [
        _rule("", "pods", ["get", "list"]),
        _rule("", "pods/log", ["get"]),
        _rule("", "persistentvolumeclaims", ["get"], mariadb.CLAIM),
        _rule("apps", "statefulsets", ["get"], mariadb.NAME),
        _rule("batch", "cronjobs", ["get"], backup.CRON_JOB, snapshots.CRON_JOB),
        _rule("batch", "jobs", ["create"]),  # a create can't be held to a name
        _rule("batch", "jobs", ["get", "delete"], CHECK_JOB),
    ]
    if disposable:
        rules.append(_rule("", "pods", ["delete"], f"{mariadb.NAME}-0"))
    return rules


def _rule(group: str, resource: str, verbs: list[str], *names: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": verbs}
    return rule | ({"resourceNames": list(names)} if names else {})


def _rights(args: ChecksArgs, rules: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    common = {"metadata": metadata(NAME, args.namespace, _LABELS)}
    account = metadata(NAME, args.namespace, _LABELS, args.settings.checks.service_account_annotations)
    group = "rbac.authorization.k8s.io"
    return {
        "account": {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": account,
            "automountServiceAccountToken": False,
        },
        "role": {"apiVersion": f"{group}/v1", "kind": "Role", **common, "rules": rules},
        "binding": {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            **common,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": args.namespace}],
        },
    }


# No CPU limit: throttling would show as latency of the servers.
_RESOURCES = schema.Resources(cpu="100m", memory="128Mi", memory_limit="256Mi")


def _template(args: ChecksArgs, config: str) -> dict[str, Any]:
    mounts = {
        "config": CONFIG_PATH,
        "database": secret_folder(mariadb.CREDENTIALS),
        "cache": secret_folder(redis.CREDENTIALS),
        "sessions": secret_folder(valkey.CREDENTIALS),
        "tmp": "/tmp",  # noqa: S108 - a volume of the pod's own
    }
    volumes = [
        pods.config_volume("config", NAME),
        pods.secret_volume("database", mariadb.CREDENTIALS, ["app-password", "monitor-password"]),
        pods.secret_volume("cache", redis.CREDENTIALS, ["checks-password"]),
        pods.secret_volume(
            "sessions", valkey.CREDENTIALS, ["app-password", "sentinel-password", "checks-password"]
        ),
        # An object is downloaded and unpacked here: as much room as the backup that wrote it had.
        pods.scratch_volume("tmp", f"{quantity_bytes(args.settings.backup.work_size) // 2**20}Mi"),
    ]
    mounts |= store_access.mounts(args.settings.backup.store)
    volumes += store_access.volumes(args.settings.backup.store)
    container = pods.container(
        "checks",
        args.image,
        _RESOURCES,
        ["python3", "-m", "filewallball.checks", "run"],
        mounts,
        env={"HOME": "/tmp"},  # noqa: S108
        writable=["tmp"],
        args=["--json-lines"],
    )
    return pods.template(
        _LABELS | network.access("mariadb", "redis", "valkey", "store", "kubernetes"),
        [container],
        volumes,
        annotations={"filewallball.io/config": config},
        service_account=NAME,
        token=True,
        grace_seconds=15,
        restartPolicy="Never",
    )


def _job(name: str, namespace: pulumi.Input[str], template: dict[str, Any], minutes: int) -> dict[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, namespace, _LABELS),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": minutes * 60, "template": template},
    }
