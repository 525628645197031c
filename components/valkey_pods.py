"""The pods of the session servers: a server with its agent, and a Sentinel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components import network, pods, schema
from components.kube import labels, selector
from facts.pods import CONFIG_PATH, config_file, other_key, password_key, secret_folder
from facts.tls import CONNECTIONS, ENCRYPTED, folder_of, secret_of
from facts.tls import Variables as Tls
from facts.valkey import (
    AGENT_CONTAINER,
    AGENT_PORT,
    COMPONENT,
    CONFIG_MAP,
    CREDENTIALS,
    MASTER,
    NAME,
    PORT,
    RUN_PATH,
    SENTINEL,
    SENTINEL_CONTAINER,
    SENTINEL_PORT,
    Variables,
)

if TYPE_CHECKING:
    from components import kinds

SERVER_KEYS = ("app", "checks", "backup", "replica", "watch", "agent")
"""The passwords that a server's file of users needs."""
SENTINEL_KEYS = ("sentinel", "checks", "peer", "watch")
"""The passwords that a Sentinel's file of users needs."""
_SECRETS = secret_folder(CREDENTIALS)
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_MOUNTS = {
    "config": CONFIG_PATH,
    "credentials": _SECRETS,
    "data": "/data",
    "run": RUN_PATH,
    "tmp": _TMP,
}
_WRITABLE = ("data", "run", "tmp")


REPLACED_BY = f'spec.template.metadata.annotations["{CONNECTIONS}"]'
"""The property of a StatefulSet whose change stops all its pods before new ones start."""


def labels_of(server: str) -> dict[str, str]:
    return labels(server, COMPONENT)


def members(
    valkey: schema.Valkey, agent: str, config: str, *, encrypted: bool = False
) -> kinds.PodTemplateSpec:
    """The template of the servers' pods. `agent`: its image; `config`: fingerprint of the server's files."""
    return pods.template(
        labels_of(NAME) | network.access(NAME),
        [_server(valkey, encrypted), _agent(valkey, agent, encrypted)],
        [
            pods.config_volume("config", CONFIG_MAP),
            _credentials("credentials", SERVER_KEYS),
            # All: an agent gives the servers' and Sentinels' users new passwords.
            pods.secret_volume("agent-credentials", CREDENTIALS),
            pods.scratch_volume("run", "1Mi", memory=True),
            pods.scratch_volume("tmp", "16Mi"),
            *_files(NAME, encrypted),
        ],
        annotations=_annotations(config, encrypted),
        service_links=True,
        grace_seconds=60,
        **pods.apart(selector(NAME), zones=valkey.spread_over_zones),
    )


def sentinels(valkey: schema.Valkey, config: str, *, encrypted: bool = False) -> kinds.PodTemplateSpec:
    """The template of the Sentinels' pods."""
    sentinel = pods.container(
        SENTINEL_CONTAINER,
        valkey.image,
        valkey.sentinel_resources,
        _script("sentinel-tls.sh" if encrypted else "sentinel-start.sh"),
        _MOUNTS | _folder(SENTINEL, encrypted),
        writable=_WRITABLE,
        env=_environment(valkey, failover=True),
        ports=[_port("sentinel", SENTINEL_PORT)],
        # Not by the port alone: one that expects encryption writes a warning of each connection that says
        # nothing. The same without encryption: a preview by the Pulumi CLI lays the one over the other.
        startupProbe=pods.script_probe("sentinel-probe.sh", period=1, failures=60, timeout=5),
        readinessProbe=pods.script_probe("sentinel-probe.sh", period=10, failures=3, timeout=5),
        livenessProbe=pods.script_probe("sentinel-probe.sh", period=30, failures=4, timeout=5),
    )
    return pods.template(
        labels_of(SENTINEL) | network.access(NAME),
        [sentinel],
        [
            pods.config_volume("config", CONFIG_MAP),
            _credentials("credentials", SENTINEL_KEYS),
            pods.scratch_volume("run", "1Mi", memory=True),
            pods.scratch_volume("tmp", "16Mi"),
            *_files(SENTINEL, encrypted),
        ],
        annotations=_annotations(config, encrypted),
        service_links=True,
        grace_seconds=15,
        **pods.apart(selector(SENTINEL), zones=valkey.spread_over_zones),
    )


def _server(valkey: schema.Valkey, encrypted: bool) -> kinds.Container:
    release: kinds.Lifecycle = {"preStop": {"exec": {"command": _script("release.sh")}}}
    return pods.container(
        NAME,
        valkey.image,
        valkey.resources,
        _script("start.sh"),
        _MOUNTS | _folder(NAME, encrypted),
        writable=_WRITABLE,
        env=_environment(valkey),
        ports=[_port(NAME, PORT)],
        lifecycle=release,
        # Over its own socket, and up to 10 minutes to load what it has saved. Whether it is in its place is
        # the agent's to say.
        startupProbe=pods.script_probe("probe.sh", period=1, failures=600, timeout=5),
        livenessProbe=pods.script_probe("probe.sh", period=30, failures=4, timeout=5),
    )


def _agent(valkey: schema.Valkey, image: str, encrypted: bool) -> kinds.Container:
    def ask(path: str, period: int, failures: int) -> kinds.Probe:
        return {
            "httpGet": {"path": path, "port": "agent"},
            "periodSeconds": period,
            "failureThreshold": failures,
            "timeoutSeconds": 5,
        }

    return pods.container(
        AGENT_CONTAINER,
        image,
        valkey.agent_resources,
        ["python3", "-m", "filewallball.valkey", "agent"],
        {"agent-credentials": _SECRETS, "run": RUN_PATH, "tmp": _TMP} | _folder(NAME, encrypted),
        writable=["run", "tmp"],
        env={
            **_environment(valkey),
            "FWB_MAX_CONNECTIONS": str(valkey.max_connections),
            "HOME": _TMP,
            **({Tls.FOLDER: folder_of(NAME)} if encrypted else {}),
        },
        ports=[_port("agent", AGENT_PORT)],
        startupProbe=ask("/alive", 1, 60),
        readinessProbe=ask("/ready", 2, 2),
        livenessProbe=ask("/alive", 10, 6),
    )


def _environment(valkey: schema.Valkey, *, failover: bool = False) -> dict[str, str | kinds.EnvVarSource]:
    """What the scripts build their configuration from. A change of a count rolls the pods, and each then
    finds the Services of all others in its environment."""
    environment: dict[str, str | kinds.EnvVarSource] = {
        Variables.POD: {"fieldRef": {"fieldPath": "metadata.name"}},
        Variables.MEMBERS: str(valkey.members),
        Variables.SENTINELS: str(valkey.sentinels),
        Variables.QUORUM: str(valkey.votes),
        Variables.MASTER: MASTER,
    }
    if failover:
        environment[Variables.DOWN_AFTER_MS] = str(valkey.down_after_ms)
        environment[Variables.FAILOVER_TIMEOUT_MS] = str(valkey.failover_timeout_ms)
    return environment


def _folder(server: str, encrypted: bool) -> dict[str, str]:
    """Where the server's certificate is mounted, if it has one."""
    return {"tls": folder_of(server)} if encrypted else {}


def _annotations(config: str, encrypted: bool) -> dict[str, str]:
    return {"filewallball.io/config": config, **({CONNECTIONS: ENCRYPTED} if encrypted else {})}


def _files(server: str, encrypted: bool) -> list[kinds.Volume]:
    return [pods.secret_volume("tls", secret_of(server))] if encrypted else []


def _script(name: str) -> list[str]:
    return ["/bin/sh", config_file(name)]


def _port(name: str, number: int) -> kinds.ContainerPort:
    return {"name": name, "containerPort": number, "protocol": "TCP"}


def _credentials(name: str, users: tuple[str, ...]) -> kinds.Volume:
    keys, others = ([key(user) for user in users] for key in (password_key, other_key))
    return pods.secret_volume(name, CREDENTIALS, keys, at_times=others)
