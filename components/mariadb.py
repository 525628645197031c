"""MariaDB: one server on a persistent volume; a user each for the application, backups and monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, schema, volume
from components.described import (
    Address,
    Checked,
    Described,
    Description,
    Image,
    Outputs,
    Password,
    Right,
    SecretFiles,
)
from components.endpoints import Database, Encryption, certificate
from components.kube import (
    Keeping,
    Object,
    config_map,
    files,
    fingerprint,
    generated_secret,
    labels,
    lone_disruption_budget,
    metadata,
    selector,
    service,
)
from components.secured import secured
from components.values import quantity_bytes
from facts.checks.mariadb import MariadbTarget
from facts.mariadb import CLAIM, CREDENTIALS, DATABASE, NAME, PORT, RESERVED, RESERVED_PORT, USERS, user
from facts.pods import CONFIG_PATH, config_file, password_key, secret_file, secret_folder
from facts.tls import CA_FILE, folder_of, secret_of

if TYPE_CHECKING:
    from components import kinds

_PORTS = {"mysql": PORT, "reserved": RESERVED_PORT}
_LABELS = labels(NAME, "database")


@dataclass
class MariadbArgs:
    namespace: pulumi.Input[str]
    settings: schema.Mariadb
    limits: schema.Checks
    keeping: Keeping
    tls: Encryption | None = None


class Mariadb(Described):
    """The database, with its Services `mariadb` (for clients) and `mariadb-pods` (headless)."""

    def __init__(self, name: str, args: MariadbArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Mariadb", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        self._tls = args.tls
        config = secured(NAME, files(NAME)) if args.tls else files(NAME)
        template = _template(args.settings, fingerprint(config), encrypted=args.tls is not None)
        self.description = Description(
            fingerprint(template),
            images=(Image("mariadb.image", args.settings.image),),
            checked=_checked(args.settings, args.limits, CA_FILE if args.tls else None),
            outputs=_outputs(),
        )
        generated_secret(
            CREDENTIALS,
            args.namespace,
            _LABELS,
            [password_key(user) for user in USERS],
            self,
        )
        Object(f"{name}-config", config_map("mariadb-config", args.namespace, _LABELS, config), child)
        volume.claim(CLAIM, args.namespace, "database", args.settings.storage, args.keeping, self)
        headless = Object(
            f"{name}-pods",
            # Published before ready: a server that is still starting can be reached for diagnosis.
            service("mariadb-pods", args.namespace, _LABELS, selector(NAME), {"mysql": PORT},
                    clusterIP="None", publishNotReadyAddresses=True),
            child,
        )  # fmt: skip
        clients = Object(
            f"{name}-service",
            service(NAME, args.namespace, _LABELS, selector(NAME), _PORTS),
            child,
        )
        Object(
            f"{name}-server",
            _stateful_set(args.namespace, template),
            pulumi.ResourceOptions.merge(
                child,
                # A first start makes the data folder, a new version upgrades it: both may take minutes.
                pulumi.ResourceOptions(
                    depends_on=certificate(args.tls, NAME, [headless, clients]),
                    custom_timeouts=pulumi.CustomTimeouts(create="10m", update="15m", delete="5m"),
                ),
            ),
        )
        Object(f"{name}-disruptions", lone_disruption_budget(NAME, args.namespace, _LABELS), child)
        Object(f"{name}-network", network.server(NAME, args.namespace, "database", PORT), child)
        Object(f"{name}-clients", network.clients(NAME, args.namespace, "database", PORT), child)
        # Places that stay free when applications have taken all of theirs.
        for part, opening in (("network", network.server), ("clients", network.clients)):
            manifest = opening(
                NAME, args.namespace, "database", RESERVED_PORT, label=RESERVED, called=RESERVED
            )
            Object(f"{name}-reserved-{part}", manifest, child)
        self.register_outputs({})

    def login(self, short: str) -> Database:
        """The database, for one of facts.mariadb.USERS. The application has no place in the reserve."""
        ours = short != "app"
        return Database(
            NAME,
            RESERVED_PORT if ours else PORT,
            RESERVED if ours else NAME,
            DATABASE,
            user(short),
            CREDENTIALS,
            password_key(short),
            self,
            self._tls,
        )


def _checked(settings: schema.Mariadb, limits: schema.Checks, ca: str | None) -> Checked:
    app, monitor = (password_key(short) for short in ("app", "monitor"))
    return Checked(
        MariadbTarget(
            host=NAME,
            port=RESERVED_PORT,
            max_connections=settings.max_connections,
            database=DATABASE,
            app_user=user("app"),
            app_password_file=secret_file(CREDENTIALS, app),
            monitor_user=user("monitor"),
            monitor_password_file=secret_file(CREDENTIALS, monitor),
            latency_limit_ms=limits.database_latency_ms,
            ca_file=ca,
        ),
        access=(NAME, RESERVED),
        rights=(
            Right("", "persistentvolumeclaims", ("get",), (CLAIM,)),
            Right("apps", "statefulsets", ("get",), (NAME,)),
        ),
        harmful=(Right("", "pods", ("delete",), (f"{NAME}-0",)),),
        secrets=(SecretFiles("database", CREDENTIALS, (app, monitor)),),
    )


def _outputs() -> Outputs:
    return Outputs(
        hosts={NAME: Address(NAME, PORT)},
        users={NAME: user("app")},
        passwords={NAME: Password(CREDENTIALS, password_key("app"))},
        connect={
            NAME: f"{NAME}-0 -- mariadb --defaults-file={config_file('my.cnf')} --user=mysql {DATABASE}"
        },
    )


def _template(mariadb: schema.Mariadb, config: str, *, encrypted: bool) -> kinds.PodTemplateSpec:
    mounts = {
        "data": "/var/lib/mysql",
        "config": CONFIG_PATH,
        "credentials": secret_folder(CREDENTIALS),
        "run": "/run/mysqld",
        "tmp": "/tmp",  # noqa: S108 - a volume of the pod's own
    }
    volumes = [
        pods.claim_volume("data", CLAIM),
        pods.config_volume("config", "mariadb-config"),
        pods.secret_volume("credentials", CREDENTIALS),
        pods.scratch_volume("run", "16Mi", memory=True),
        pods.scratch_volume("tmp", "1Gi"),
    ]
    if encrypted:
        mounts["tls"] = folder_of(NAME)
        volumes.append(pods.secret_volume("tls", secret_of(NAME)))
    server = pods.container(
        NAME,
        mariadb.image,
        mariadb.resources,
        ["/bin/sh", config_file("tls-start.sh" if encrypted else "start.sh")],
        mounts,
        writable=["data", "run", "tmp"],
        env={
            "FWB_BUFFER_POOL_BYTES": str(quantity_bytes(mariadb.buffer_pool)),
            "FWB_MAX_CONNECTIONS": str(mariadb.max_connections),
            "FWB_RESERVED_CONNECTIONS": str(mariadb.reserved_connections),
            "FWB_BINLOG_SECONDS": str(mariadb.binlog_days * 86400),
        },
        ports=[{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in _PORTS.items()],
        # Up to 20 minutes for a crash recovery or an upgrade of a large volume.
        startupProbe=pods.script_probe("probe.sh", "ready", period=1, failures=1200),
        readinessProbe=pods.script_probe("probe.sh", "ready", period=5, failures=3),
        livenessProbe=pods.script_probe("probe.sh", "alive", period=20, failures=6),
    )
    return pods.template(
        _LABELS,
        [server],
        volumes,
        annotations={"filewallball.io/config": config},
        # InnoDB writes its dirty pages out; a killed server recovers, but takes as long at the next start.
        grace_seconds=120,
    )


def _stateful_set(namespace: pulumi.Input[str], template: kinds.PodTemplateSpec) -> kinds.StatefulSet:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(NAME, namespace, _LABELS),
        "spec": {
            "serviceName": "mariadb-pods",
            "replicas": 1,
            "selector": {"matchLabels": selector(NAME)},
            # With OrderedReady a pod that never got ready blocks the very update that would mend it.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 5,
            "template": template,
        },
    }
