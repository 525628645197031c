"""The stack: settings in, components wired, outputs out. Runs the same under `pulumi up` and `fwb up`."""

from __future__ import annotations

import os
from datetime import datetime

import pulumi

import settings
from components.app import App, AppArgs
from components.backup import Backup, BackupArgs
from components.balancer import Balancer, BalancerArgs
from components.binlogs import Binlogs, BinlogsArgs
from components.bucket import AwsBucket, AwsBucketArgs
from components.certificates import Certificates, CertificatesArgs
from components.checks import Checks, ChecksArgs
from components.images import reference
from components.mariadb import Mariadb, MariadbArgs
from components.namespace import Namespace, NamespaceArgs
from components.provider import Cluster, ClusterArgs
from components.redis import Redis, RedisArgs
from components.snapshots import Snapshots, SnapshotsArgs
from components.stackoutputs import outputs
from components.store import Store, StoreArgs, files_beside, reach
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
where, zone = namespace.name, stack.time_zone
aws = AwsBucketArgs(where, stack, pulumi.get_stack())
store = [
    *Store.where_wanted(
        "store", StoreArgs(where, stack.backup.store, cluster.keeping, stack.files_bucket), in_cluster
    ),
    *AwsBucket.where_wanted("bucket", aws, in_cluster),
]
bucket = store[0].bucket if store else reach(stack.backup.store)
own = AwsBucket.for_files("files", aws, in_cluster)
files = own[0].bucket if own else files_beside(bucket, stack)
authority = Certificates.where_wanted("certificates", CertificatesArgs(where, stack, toolkit), in_cluster)
tls = authority[0].encryption if authority else None
parts = [
    *authority,
    mariadb := Mariadb(
        "mariadb", MariadbArgs(where, stack.mariadb, stack.checks, cluster.keeping, tls), in_cluster
    ),
    redis := Redis(
        "redis", RedisArgs(where, stack.redis, stack.checks, agent, stack.disposable, tls), in_cluster
    ),
    valkey := Valkey("valkey", ValkeyArgs(where, stack.valkey, cluster.keeping, agent, tls), in_cluster),
    backup := Backup(
        "backup", BackupArgs(where, stack.backup, mariadb.login("backup"), bucket, toolkit, zone), in_cluster
    ),
    *Binlogs.where_wanted(
        "binlogs",
        BinlogsArgs(where, stack.backup, mariadb.login("backup"), bucket, toolkit, backup),
        in_cluster,
    ),
    Snapshots(
        "snapshots",
        SnapshotsArgs(where, stack.valkey.snapshots, valkey.endpoint, bucket, toolkit, zone),
        in_cluster,
    ),
    *(
        app := App.where_wanted(
            "app",
            AppArgs(
                where,
                stack.app,
                stack.app.image,
                mariadb.login("app"),
                redis.endpoint,
                valkey.endpoint,
                files,
            ),
            in_cluster,
        )
    ),
    *Balancer.where_wanted(
        "balancer",
        BalancerArgs(
            where,
            stack.balancer,
            stack.balancer.peers.image or reference("peers"),
            [server for each in app for server in each.servers],
            stack.app.max_upload_bytes,
            app,
        ),
        in_cluster,
    ),
    *own,
    *store,
]
run = os.environ.get(NO_CHECKS_VARIABLE) != "1"
checks = Checks("checks", ChecksArgs(where, stack, toolkit, parts, run), in_cluster)

for name, value in outputs(stack, [part.description for part in (*parts, checks)]).items():
    pulumi.export(name, value)
