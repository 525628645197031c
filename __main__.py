"""The stack: settings in, components wired, outputs out. Runs the same under `pulumi up` and `fwb up`."""

from __future__ import annotations

import os
from datetime import datetime

import pulumi

import settings
from components.backup import Backup, BackupArgs
from components.checks import Checks, ChecksArgs
from components.images import reference
from components.mariadb import Mariadb, MariadbArgs
from components.namespace import Namespace, NamespaceArgs
from components.provider import Cluster, ClusterArgs
from components.redis import Redis, RedisArgs
from components.snapshots import Snapshots, SnapshotsArgs
from components.stackoutputs import outputs
from components.store import Store, StoreArgs
from components.valkey import Valkey, ValkeyArgs
from facts.machine import NO_CHECKS_VARIABLE

stack = settings.from_pulumi()
for warning in stack.warnings(datetime.now()):
    pulumi.log.warn(warning)
toolkit = stack.toolkit.image or reference("toolkit")
agent = stack.agent.image or stack.toolkit.image or reference("agent")

cluster = Cluster(
    "cluster", ClusterArgs(stack.cluster.kubeconfig_path(), stack.cluster.context, stack.protect)
)
in_cluster = pulumi.ResourceOptions(providers=[cluster.provider])

namespace = Namespace(
    "namespace", NamespaceArgs(stack.namespace, cluster.keeping, stack.cluster.dns), in_cluster
)
mariadb = Mariadb("mariadb", MariadbArgs(namespace.name, stack.mariadb, cluster.keeping), in_cluster)
redis = Redis("redis", RedisArgs(namespace.name, stack.redis, stack.disposable), in_cluster)
valkey = Valkey("valkey", ValkeyArgs(namespace.name, stack.valkey, cluster.keeping, agent), in_cluster)
backup = Backup("backup", BackupArgs(namespace.name, stack.backup, toolkit, stack.time_zone), in_cluster)
snapshots = Snapshots(
    "snapshots",
    SnapshotsArgs(namespace.name, stack.valkey, stack.backup.store, toolkit, stack.time_zone),
    in_cluster,
)
tested: list[Mariadb | Redis | Valkey | Backup | Snapshots | Store]
tested = [mariadb, redis, valkey, backup, snapshots]
if stack.backup.store.in_cluster:
    tested.append(Store("store", StoreArgs(namespace.name, stack.backup.store, cluster.keeping), in_cluster))

Checks(
    "checks",
    ChecksArgs(
        namespace.name,
        stack,
        toolkit,
        configurations={"redis.conf": redis.config, "valkey.conf": valkey.config},
        fingerprints=[part.fingerprint for part in tested],
        after=tested,
        run=os.environ.get(NO_CHECKS_VARIABLE) != "1",
    ),
    in_cluster,
)

for name, value in outputs(stack, toolkit).items():
    pulumi.export(name, value)
