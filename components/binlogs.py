"""Between two backups: a pod that ships the database's binary log into the store, all the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, schema
from components.described import Checked, Described, Description
from components.endpoints import Bucket, Database, dumped, trusted
from components.kube import Object, fingerprint, labels, metadata, selector
from facts import backup, store
from facts.backup import Variables
from facts.binlogs import ALIVE, CONTAINER, MODULE, NAME, READY
from facts.binlogs import Variables as Own
from facts.checks import NAME as CHECKS
from facts.checks.backups import BinlogsTarget
from facts.pods import WORK_PATH, secret_folder

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(NAME, "backup")
_WORK = "1Gi"
"""Room for one piece of the log, and for one transaction's largest row in it."""


@dataclass
class BinlogsArgs:
    """`account`: what makes the backup's ServiceAccount and lets it reach the store."""

    namespace: pulumi.Input[str]
    settings: schema.Backup
    database: Database
    bucket: Bucket
    image: str
    account: pulumi.Resource


class Binlogs(Described):
    """The Deployment `filewallball-binlogs`, of one pod, under the account of the backup."""

    def __init__(self, name: str, args: BinlogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Binlogs", name, None, opts)
        template = _template(args)
        self.description = Description(fingerprint(template), checked=_checked(args))
        Object(
            f"{name}-server",
            _deployment(args.namespace, template),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.account, args.database.server, *args.bucket.needed()],
                custom_timeouts=pulumi.CustomTimeouts(create="5m", update="5m", delete="2m"),
            ),
        )
        self.register_outputs({})

    @classmethod
    def where_wanted(cls, name: str, args: BinlogsArgs, opts: pulumi.ResourceOptions) -> list[Binlogs]:
        """The shipper, where the settings want moments between two backups; else none."""
        return [cls(name, args, opts)] if args.settings.point_in_time.enabled else []


def _checked(args: BinlogsArgs) -> Checked:
    return Checked(
        BinlogsTarget(store=args.bucket.target()),
        access=(store.NAME,),
        secrets=args.bucket.files(),
        annotations=args.bucket.annotations(CHECKS),
    )


def _template(args: BinlogsArgs) -> kinds.PodTemplateSpec:
    database, wanted = args.database, args.settings.point_in_time
    mounts = {"work": WORK_PATH, "database": secret_folder(database.secret)}
    volumes = [
        pods.scratch_volume("work", _WORK),
        pods.secret_volume("database", database.secret, [database.key]),
    ]
    for each in (*args.bucket.files(), *trusted(database.tls)[0]):
        mounts[each.volume] = each.path
        volumes.append(each.source())
    container = pods.container(
        CONTAINER,
        args.image,
        wanted.resources,
        ["python3", "-m", MODULE, "ship"],
        mounts,
        env={
            **dumped(database, args.settings.recipients),
            **args.bucket.place(),
            Variables.WORK_DIR: WORK_PATH,
            Own.EVERY_SECONDS: str(wanted.every_seconds),
            "HOME": WORK_PATH,
            **args.bucket.way(),
            **trusted(database.tls)[1],
        },
        writable=["work"],
        # Ready: the store has what the log had a minute ago. Alive: it goes round, whatever it meets.
        readinessProbe=_touched(READY, minutes=2, period=2, failures=3),
        livenessProbe=_touched(ALIVE, minutes=15, period=60, failures=3),
    )
    return pods.template(
        _LABELS | network.access(database.access, *args.bucket.access()),
        [container],
        volumes,
        service_account=backup.NAME,
        token=args.bucket.may_lack_guard,
        grace_seconds=30,
    )


def _touched(file: str, *, minutes: int, period: int, failures: int) -> kinds.Probe:
    """A probe that a file of the work directory is younger than so many minutes."""
    looked = f"find {WORK_PATH}/{file} -mmin -{minutes} | grep -q ."
    return {
        "exec": {"command": ["/bin/sh", "-c", looked]},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }


def _deployment(namespace: pulumi.Input[str], template: kinds.PodTemplateSpec) -> kinds.Deployment:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, namespace, _LABELS),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector(NAME)},
            # Two at once do no harm: what both put into the store is the same.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 240,
            "template": template,
        },
    }
