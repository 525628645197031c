"""Redis as a cache: 256 MB by default, least recently used keys make room, nothing on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, schema
from components.described import (
    Address,
    Checked,
    Described,
    Description,
    Image,
    Outputs,
    Password,
    SecretFiles,
)
from components.endpoints import Cache, Encryption, certificate
from components.kube import (
    Object,
    config_map,
    files,
    fingerprint,
    generated_secret,
    labels,
    metadata,
    selector,
    service,
)
from components.secured import secured
from facts.checks import USER
from facts.checks.redis import RedisTarget
from facts.pods import CONFIG_PATH, config_file, password_key, secret_file, secret_folder
from facts.redis import CONF, CONFIG_MAP, CREDENTIALS, NAME, PORT, USERS
from facts.tls import CA, CA_FILE, Variables, file_of, folder_of, secret_of

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(NAME, "cache")


@dataclass
class RedisArgs:
    namespace: pulumi.Input[str]
    settings: schema.Redis
    limits: schema.Checks
    guard: str  # the image that the guard runs in
    disposable: bool = False
    tls: Encryption | None = None


class Redis(Described):
    """The cache, with its Service `redis`. `endpoint`: for the application."""

    endpoint: Cache

    def __init__(self, name: str, args: RedisArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Redis", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings = args.settings
        limit = settings.max_connections + settings.reserved_connections
        config = files(NAME, maxmemory=settings.maxmemory, maxclients=str(limit))
        config = secured(NAME, config) if args.tls else config
        template = _template(args, fingerprint(config))
        self.description = Description(
            fingerprint(template),
            images=(Image("redis.image", args.settings.image), Image("agent.image", args.guard)),
            checked=_checked(settings, args.limits, config[CONF], CA_FILE if args.tls else None),
            outputs=_outputs(encrypted=args.tls is not None),
        )
        self.endpoint = Cache(NAME, PORT, NAME, "app", CREDENTIALS, password_key("app"), self, args.tls)
        generated_secret(CREDENTIALS, args.namespace, _LABELS, [password_key(user) for user in USERS], self)
        Object(f"{name}-config", config_map(CONFIG_MAP, args.namespace, _LABELS, config), child)
        clients = Object(
            f"{name}-service", service(NAME, args.namespace, _LABELS, selector(NAME), {NAME: PORT}), child
        )
        Object(
            f"{name}-server",
            _deployment(args.namespace, template),
            pulumi.ResourceOptions.merge(
                child,
                pulumi.ResourceOptions(
                    depends_on=certificate(args.tls, NAME, [clients]),
                    custom_timeouts=pulumi.CustomTimeouts(create="5m", update="5m", delete="2m"),
                ),
            ),
        )
        Object(f"{name}-network", network.server(NAME, args.namespace, "cache", PORT), child)
        Object(f"{name}-clients", network.clients(NAME, args.namespace, "cache", PORT), child)
        self.register_outputs({})


def _checked(settings: schema.Redis, limits: schema.Checks, conf: str, ca: str | None) -> Checked:
    key = password_key(USER)
    return Checked(
        RedisTarget(
            host=NAME,
            password_file=secret_file(CREDENTIALS, key),
            latency_limit_ms=limits.cache_latency_ms,
            hit_rate_min=limits.cache_hit_rate,
            memory_max=limits.cache_memory,
            max_connections=settings.max_connections,
            ca_file=ca,
        ),
        access=(NAME,),
        secrets=(SecretFiles("cache", CREDENTIALS, (key,)),),
        files={CONF: conf},
    )


def _outputs(*, encrypted: bool) -> Outputs:
    options = f"--tls --cacert {file_of(NAME, CA)} " if encrypted else ""
    return Outputs(
        hosts={NAME: Address(NAME, PORT)},
        users={NAME: "app"},
        passwords={NAME: Password(CREDENTIALS, password_key("app"))},
        connect={NAME: f"deploy/{NAME} -- redis-cli {options}--user app --askpass"},
    )


def _template(args: RedisArgs, config: str) -> kinds.PodTemplateSpec:
    mounts = {
        "config": CONFIG_PATH,
        "credentials": secret_folder(CREDENTIALS),
        "run": "/run/redis",
        "tmp": "/tmp",  # noqa: S108 - a volume of the pod's own
    }
    volumes = [
        pods.config_volume("config", CONFIG_MAP),
        pods.secret_volume("credentials", CREDENTIALS),
        pods.scratch_volume("run", "1Mi", memory=True),
        pods.scratch_volume("tmp", "16Mi"),
    ]
    if args.tls:
        mounts["tls"] = folder_of(NAME)
        volumes.append(pods.secret_volume("tls", secret_of(NAME)))
    server = pods.container(
        NAME,
        args.settings.image,
        args.settings.resources,
        ["/bin/sh", config_file("start.sh")],
        mounts,
        writable=["run", "tmp"],
        env={"FWB_REDIS_DISPOSABLE": "true" if args.disposable else "false"},
        ports=[{"name": NAME, "containerPort": PORT, "protocol": "TCP"}],
        startupProbe=pods.script_probe("probe.sh", "alive", period=1, failures=60, timeout=5),
        readinessProbe=pods.script_probe("probe.sh", "ready", period=5, failures=3, timeout=5),
        livenessProbe=pods.script_probe("probe.sh", "alive", period=20, failures=6, timeout=5),
    )
    return pods.template(
        _LABELS,
        [server, _guard(args)],
        volumes,
        annotations={"filewallball.io/config": config},
        grace_seconds=15,
    )


def _guard(args: RedisArgs) -> kinds.Container:
    """Closes what applications open beyond their share, and gives the users new passwords."""
    looked = "find /tmp/looked -mmin -3 | grep -q ."
    mounts = {"credentials": secret_folder(CREDENTIALS), "run": "/run/redis", "tmp": "/tmp"}  # noqa: S108
    env: dict[str, str | kinds.EnvVarSource] = {
        "FWB_MAX_CONNECTIONS": str(args.settings.max_connections),
        "HOME": "/tmp",  # noqa: S108
    }
    if args.tls:
        mounts["tls"] = env[Variables.FOLDER] = folder_of(NAME)
    return pods.container(
        "guard",
        args.guard,
        args.settings.guard_resources,
        ["python3", "-m", "filewallball.guard"],
        mounts,
        writable=["tmp"],
        env=env,
        livenessProbe={
            "exec": {"command": ["/bin/sh", "-c", looked]},
            "initialDelaySeconds": 30,
            "periodSeconds": 60,
            "failureThreshold": 3,
            "timeoutSeconds": 5,
        },
    )


def _deployment(namespace: pulumi.Input[str], template: kinds.PodTemplateSpec) -> kinds.Deployment:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, namespace, _LABELS),
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": selector(NAME)},
            # The new cache answers before the old one goes: an empty one is better than refused connections.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 240,
            "template": template,
        },
    }
