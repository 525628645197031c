"""The application: servers that are all alike, each with a Service of its own, for a balancer before them.

A server keeps nothing: files are in the store, all else is in the database, the cache and the session set.
A pod first brings the database's tables to what its program needs; older servers go on with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, rights, schema
from components.described import (
    Address,
    Checked,
    Described,
    Description,
    Image,
    Mounted,
    Outputs,
    SecretFiles,
)
from components.endpoints import Bucket, Cache, Database, SessionSet, trusted
from components.images import reference
from components.kube import Object, disruption_budget, fingerprint, labels, metadata, selector, service
from facts import store
from facts.app import ACCOUNT, ADMIN_PORT, ALIVE, MODULE, NAME, READY, SITE_PORT, Variables, pods_of
from facts.checks.app import AppServer, AppTarget
from facts.pods import password_key, secret_file
from facts.policy import NO_DATA
from facts.tls import CA_FILE

if TYPE_CHECKING:
    from typing import Unpack

    from components import kinds

_LABELS = labels(NAME, "application")
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_PORTS = {"site": SITE_PORT, "admin": ADMIN_PORT}
_KEEPS_NOTHING = "All that users bring goes to the database, the cache, the sessions and the store."
_REASON = "Balancers, and checks of the application, pass requests on to its servers."


@dataclass
class AppArgs:
    """`image`: None for the one of this checkout. `bucket`: for the users' files, with rights of its own."""

    namespace: pulumi.Input[str]
    settings: schema.App
    image: str | None
    database: Database
    cache: Cache
    sessions: SessionSet
    bucket: Bucket


class App(Described):
    """The StatefulSet `app`, with a Service for each of its pods."""

    servers: tuple[tuple[str, str, int, int], ...]
    """Of each server: its name, its host, the port of the site and that of the administrators' pages."""

    def __init__(self, name: str, args: AppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:App", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, namespace, called = args.settings, args.namespace, pods_of(args.settings.replicas)
        self.servers = tuple((pod, pod, SITE_PORT, ADMIN_PORT) for pod in called)
        image = args.image or reference(NAME)
        template = _template(args, image)
        self.description = Description(
            fingerprint(template, settings.replicas),
            images=(Image("app.image", image),),
            checked=Checked(
                AppTarget(
                    servers=tuple(AppServer(name=pod, host=pod) for pod in called),
                    upload_bytes=settings.max_upload_bytes,
                ),
                access=(NAME,),
            ),
            outputs=Outputs(
                hosts={NAME: [Address(pod, SITE_PORT) for pod in called]},
                buckets={"files": f"s3://{args.bucket.bucket}/{args.bucket.prefix}"},
            ),
        )
        annotations = args.bucket.annotations(ACCOUNT) | settings.service_account_annotations
        account = Object(
            f"{name}-account", rights.service_account(ACCOUNT, namespace, _LABELS, annotations), child
        )
        before = [
            Object(f"{name}-service-{each}", manifest, child)
            for each, manifest in _services(namespace, called)
        ]
        for part, manifest in _policies(namespace):
            Object(f"{name}-{part}", manifest, child)
        Object(f"{name}-disruptions", disruption_budget(NAME, namespace, _LABELS), child)
        # A server's turn in a rolling update: its requests end, the next one starts.
        minutes = 10 + -(-settings.replicas * _grace(settings) // 60)
        needed = [args.database.server, args.cache.server, args.sessions.server, *args.bucket.needed()]
        Object(
            f"{name}-servers",
            _stateful_set(args, template),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[account, *before, *needed],
                custom_timeouts=pulumi.CustomTimeouts(create="10m", update=f"{minutes}m", delete="5m"),
            ),
        )
        self.register_outputs({})

    @classmethod
    def where_wanted(cls, name: str, args: AppArgs, opts: pulumi.ResourceOptions) -> list[App]:
        """The application, where the settings want it; else none."""
        return [cls(name, args, opts)] if args.settings.enabled else []


def _services(namespace: pulumi.Input[str], called: Sequence[str]) -> Iterator[tuple[str, kinds.Service]]:
    """One for each server, whose address stays: who connects while it is down is refused at once."""
    for pod in called:
        one = service(
            pod, namespace, _LABELS, selector(NAME) | {"statefulset.kubernetes.io/pod-name": pod}, _PORTS
        )
        # Nothing to wait for: the pods come later.
        yield pod, {**one, "metadata": {**one["metadata"], "annotations": {"pulumi.com/skipAwait": "true"}}}
    yield NAME, service(NAME, namespace, _LABELS, selector(NAME), _PORTS, clusterIP="None")


def _policies(namespace: pulumi.Input[str]) -> Iterator[tuple[str, kinds.NetworkPolicy]]:
    ports = tuple(_PORTS.values())
    yield "network", network.server(NAME, namespace, "application", ports, reason=_REASON)
    yield "clients", network.clients(NAME, namespace, "application", ports)


def _grace(settings: schema.App) -> int:
    """Seconds until a server that is told to stop is stopped."""
    return settings.drain_seconds + settings.stop_seconds


def _template(args: AppArgs, image: str) -> kinds.PodTemplateSpec:
    settings = args.settings
    environment, files = _environment(args), _files(args)
    mounts = {each.volume: each.path for each in files} | {"tmp": _TMP}

    def ask(path: str, period: int, failures: int, timeout: int) -> kinds.Probe:
        return {
            "httpGet": {"path": path, "port": "site"},
            "periodSeconds": period,
            "failureThreshold": failures,
            "timeoutSeconds": timeout,
        }

    def run(name: str, word: str, **more: Unpack[kinds.ContainerMore]) -> kinds.Container:
        return pods.container(
            name, image, settings.resources, ["python3", "-m", MODULE, word], mounts,
            env=environment, writable=["tmp"], **more,
        )  # fmt: skip

    server = run(
        NAME,
        "serve",
        ports=[{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in _PORTS.items()],
        startupProbe=ask(ALIVE, 1, 60, 3),
        readinessProbe=ask(READY, 2, 2, 3),
        livenessProbe=ask(ALIVE, 10, 6, 5),
    )
    reached = (args.database.access, args.cache.access, args.sessions.access, store.NAME)
    return pods.template(
        _LABELS | network.access(*reached),
        [server],
        [*(each.source() for each in files), pods.scratch_volume("tmp", "64Mi")],
        service_account=ACCOUNT,
        grace_seconds=_grace(settings),
        **{
            **pods.apart(selector(NAME), zones=settings.spread_over_zones),
            "initContainers": [run("migrate", "migrate")],
        },
    )


def _files(args: AppArgs) -> tuple[Mounted, ...]:
    """Passwords by file, so that a changed one reaches a server that runs."""
    database, cache, sessions = args.database, args.cache, args.sessions
    keys = (password_key("app"), password_key("sentinel"))
    return (
        SecretFiles("database", database.secret, (database.key,)),
        SecretFiles("cache", cache.secret, (cache.key,)),
        SecretFiles("sessions", sessions.secret, keys),
        *args.bucket.files(),
        *trusted(database.tls)[0],
    )


def _environment(args: AppArgs) -> dict[str, str | kinds.EnvVarSource]:
    settings, database, cache, sessions = args.settings, args.database, args.cache, args.sessions
    told: dict[str, str | kinds.EnvVarSource] = {
        Variables.NAME: {"fieldRef": {"fieldPath": "metadata.name"}},
        Variables.SITE_PORT: str(SITE_PORT),
        Variables.ADMIN_PORT: str(ADMIN_PORT),
        Variables.DATABASE_HOST: database.host,
        Variables.DATABASE_PORT: str(database.port),
        Variables.DATABASE_NAME: database.name,
        Variables.DATABASE_USER: database.user,
        Variables.DATABASE_PASSWORD_FILE: secret_file(database.secret, database.key),
        Variables.CACHE_URL: f"redis{'s' if cache.tls else ''}://{cache.host}:{cache.port}/0",
        Variables.CACHE_USER: cache.user,
        Variables.CACHE_PASSWORD_FILE: secret_file(cache.secret, cache.key),
        Variables.SESSIONS_URL: f"sentinel://{','.join(sessions.sentinels)}/{sessions.master}/0",
        Variables.SESSIONS_USER: "default",
        Variables.SESSIONS_PASSWORD_FILE: secret_file(sessions.secret, password_key("app")),
        Variables.SENTINEL_PASSWORD_FILE: secret_file(sessions.secret, password_key("sentinel")),
        Variables.MAX_UPLOAD_BYTES: str(settings.max_upload_bytes),
        Variables.TRUSTED_PROXIES: ",".join(settings.trusted_proxies),
        Variables.SECURE_COOKIE: "1" if settings.secure_cookie else "0",
        Variables.DRAIN_SECONDS: str(settings.drain_seconds),
        Variables.LOG_LEVEL: settings.log_level,
        "HOME": _TMP,
    }
    if database.tls:
        told[Variables.CA_FILE] = CA_FILE
    return told | _way_to_files(args.bucket)


def _way_to_files(bucket: Bucket) -> dict[str, str]:
    where = bucket.target()
    told = {
        Variables.FILES_ENDPOINT: where.endpoint or "",
        Variables.FILES_BUCKET: where.bucket,
        Variables.FILES_REGION: where.region,
    }
    at_times = {
        Variables.FILES_KEY_ID_FILE: where.access_key_file,
        Variables.FILES_SECRET_KEY_FILE: where.secret_key_file,
        Variables.FILES_CA_FILE: where.ca_file,
        Variables.FILES_ADDRESSING: where.addressing,
    }
    return told | {name: value for name, value in at_times.items() if value}


def _stateful_set(args: AppArgs, template: kinds.PodTemplateSpec) -> kinds.StatefulSet:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(NAME, args.namespace, _LABELS, {NO_DATA: _KEEPS_NOTHING}),
        "spec": {
            "serviceName": NAME,
            "replicas": args.settings.replicas,
            "selector": {"matchLabels": selector(NAME)},
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            # Balancers must have noticed that one is back before the next one goes.
            "minReadySeconds": 5,
            "revisionHistoryLimit": 5,
            "template": template,
        },
    }
