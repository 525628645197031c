"""Valkey for sessions: a primary, replicas, and the Sentinels that decide which server is the primary.

No server is writable on its own word: each starts closed, and the agent beside it opens it when the Sentinels
agree on its place. Names are no part of a failover: each pod has a Service whose address never changes, and
learns all these addresses from its environment, which is why the Services come before the pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, schema, valkey_pods, volume
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
from components.endpoints import Encryption, SessionSet, certificate
from components.kube import (
    Keeping,
    Object,
    config_map,
    disruption_budget,
    files,
    fingerprint,
    generated_secret,
    metadata,
    selector,
    service,
)
from components.secured import secured
from facts.checks.valkey import ValkeyTarget
from facts.pods import password_key, secret_file
from facts.policy import NO_BACKUP
from facts.tls import CA, CA_FILE, file_of
from facts.valkey import (
    AGENT_PORT,
    COMPONENT,
    CONF,
    CONFIG_MAP,
    CREDENTIALS,
    MASTER,
    NAME,
    PORT,
    READS,
    SENTINEL,
    SENTINEL_PORT,
    USERS,
    pods_of,
)

if TYPE_CHECKING:
    from components import kinds

_LABELS = {name: valkey_pods.labels_of(name) for name in (NAME, SENTINEL)}
_CLAIM_TEMPLATE = "data"
_WHY_UNPROTECTED = "A smaller set leaves claims out, which `protect` would refuse; none is ever deleted."
_WHY_NO_BACKUP = {SENTINEL: {NO_BACKUP: "The Sentinels learn anew whom they watch, from each other."}}


@dataclass
class ValkeyArgs:
    namespace: pulumi.Input[str]
    settings: schema.Valkey
    keeping: Keeping
    agent: str  # the image of what runs beside the servers
    tls: Encryption | None = None


class Valkey(Described):
    """The session servers. `endpoint`: for what copies their data."""

    endpoint: SessionSet

    def __init__(self, name: str, args: ValkeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Valkey", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        namespace, settings = args.namespace, args.settings
        encrypted = args.tls is not None
        config = secured(NAME, _config(settings)) if encrypted else _config(settings)
        ours, theirs = _split(config)
        members = valkey_pods.members(settings, args.agent, fingerprint(ours), encrypted=encrypted)
        sentinels = valkey_pods.sentinels(settings, fingerprint(theirs), encrypted=encrypted)
        self.description = Description(
            fingerprint(members, sentinels),
            images=(Image("valkey.image", settings.image), Image("agent.image", args.agent)),
            checked=_checked(settings, config[CONF], CA_FILE if encrypted else None),
            outputs=_outputs(settings, encrypted=encrypted),
        )
        self.endpoint = SessionSet(
            _sentinels(settings),
            MASTER,
            NAME,
            CREDENTIALS,
            settings.image,
            settings.resources,
            self,
            args.tls,
        )
        credentials = generated_secret(
            CREDENTIALS, namespace, _LABELS[NAME], [password_key(user) for user in USERS], self
        )
        conf = Object(f"{name}-config", config_map(CONFIG_MAP, namespace, _LABELS[NAME], config), child)
        services = [Object(f"{name}-service-{each}", manifest, child) for each, manifest in _services(args)]
        before: list[pulumi.Resource] = [
            credentials,
            conf,
            *services,
            *(Object(f"{name}-{each}", manifest, child) for each, manifest in _policies(namespace)),
        ]
        keeping = Keeping(args.keeping.provider, unprotected=_WHY_UNPROTECTED)
        theirs_first = [*before, *certificate(args.tls, SENTINEL, services)]
        ours_first = [*before, *certificate(args.tls, NAME, services)]
        voting = self._set(f"{name}-sentinels", SENTINEL, args, keeping, sentinels, theirs_first)
        # One after the other: with Sentinels coming and going, a server that stops has nobody to appoint
        # its successor.
        self._set(f"{name}-members", NAME, args, keeping, members, [*ours_first, voting])
        self.register_outputs({})

    def _set(
        self,
        name: str,
        server: str,
        args: ValkeyArgs,
        keeping: Keeping,
        template: kinds.PodTemplateSpec,
        before: Sequence[pulumi.Resource],
    ) -> Object:
        """The StatefulSet with its claims and its disruption budget."""
        count, storage = _sizes(args.settings)[server]
        claims = [
            volume.claim(
                f"{_CLAIM_TEMPLATE}-{pod}", args.namespace, COMPONENT,
                schema.Storage(size=storage.size, storage_class=storage.storage_class), keeping, self,
                resource=f"{name}-{_CLAIM_TEMPLATE}-{pod}",
            )
            for pod in pods_of(server, count)
        ]  # fmt: skip
        Object(
            f"{name}-disruptions",
            disruption_budget(server, args.namespace, _LABELS[server]),
            pulumi.ResourceOptions(parent=self),
        )
        return Object(
            name,
            _stateful_set(server, count, args.namespace, template),
            pulumi.ResourceOptions(
                parent=self,
                depends_on=[*before, *claims],
                # A pod's turn in a rolling update: hand over, stop, load, resynchronise.
                custom_timeouts=pulumi.CustomTimeouts(create="10m", update="20m", delete="5m"),
                # One by one, those with encrypted connections would never get ready among those without.
                replace_on_changes=[valkey_pods.REPLACED_BY],
                delete_before_replace=True,
            ),
        )


def _sentinels(settings: schema.Valkey) -> tuple[str, ...]:
    return tuple(f"{pod}:{SENTINEL_PORT}" for pod in pods_of(SENTINEL, settings.sentinels))


def _checked(settings: schema.Valkey, conf: str, ca: str | None) -> Checked:
    keys = tuple(password_key(user) for user in ("app", "sentinel", "checks"))
    app, sentinel, checks = (secret_file(CREDENTIALS, key) for key in keys)
    target = ValkeyTarget(
        members=tuple(f"{pod}:{PORT}" for pod in pods_of(NAME, settings.members)),
        sentinels=_sentinels(settings),
        reads=f"{READS}:{PORT}" if settings.reads_from_replicas else None,
        quorum=settings.votes,
        max_connections=settings.max_connections,
        down_after_ms=settings.down_after_ms,
        failover_timeout_ms=settings.failover_timeout_ms,
        parallel_syncs=settings.members,  # sentinel-start.sh: nobody waits for another's resynchronisation
        app_password_file=app,
        sentinel_password_file=sentinel,
        checks_password_file=checks,
        ca_file=ca,
    )
    secrets = SecretFiles("sessions", CREDENTIALS, keys)
    return Checked(target, access=(NAME,), secrets=(secrets,), files={CONF: conf})


def _outputs(settings: schema.Valkey, *, encrypted: bool) -> Outputs:
    options = {
        server: f"--tls --cacert {file_of(server, CA)} " if encrypted else "" for server in (NAME, SENTINEL)
    }
    sentinels = [Address(pod, SENTINEL_PORT) for pod in pods_of(SENTINEL, settings.sentinels)]
    reads = {READS: Address(READS, PORT)} if settings.reads_from_replicas else {}
    return Outputs(
        hosts={SENTINEL: sentinels, **reads},
        masters={NAME: MASTER},
        users={NAME: "default"},
        passwords={
            NAME: Password(CREDENTIALS, password_key("app")),
            SENTINEL: Password(CREDENTIALS, password_key("sentinel")),
        },
        connect={
            NAME: f"{NAME}-0 -c {NAME} -- valkey-cli {options[NAME]}--askpass",
            SENTINEL: f"{SENTINEL}-0 -- valkey-cli {options[SENTINEL]}-p {SENTINEL_PORT} --askpass",
        },
    )


def _sizes(settings: schema.Valkey) -> dict[str, tuple[int, schema.SetStorage]]:
    return {
        NAME: (settings.members, settings.storage),
        SENTINEL: (settings.sentinels, settings.sentinel_storage),
    }


def _config(settings: schema.Valkey) -> dict[str, str]:
    return files(
        NAME,
        maxmemory=settings.maxmemory,
        maxclients=str(settings.max_connections + settings.reserved_connections),
        loglevel=settings.log_level,
        save_points=settings.save_points,
        appendonly="yes" if settings.append_only else "no",
        min_replicas_to_write=str(settings.members // 2),
        min_replicas_max_lag=str(settings.min_replicas_max_lag),
    )


def _split(config: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The files of the servers and those of the Sentinels: a change of one's rolls only these pods."""
    theirs = {name for name in config if name.startswith("sentinel")}
    return (
        {name: text for name, text in config.items() if name not in theirs},
        {name: text for name, text in config.items() if name in theirs | {"common.sh"}},
    )


def _services(args: ValkeyArgs) -> Iterator[tuple[str, kinds.Service]]:
    """Resource name → Service. Nothing to wait for: the pods come later, and the address is there at once."""
    namespace, settings = args.namespace, args.settings
    ports = {NAME: {NAME: PORT, "agent": AGENT_PORT}, SENTINEL: {"sentinel": SENTINEL_PORT}}
    for server, (count, _) in _sizes(settings).items():
        for pod in pods_of(server, count):
            select = selector(server) | {"statefulset.kubernetes.io/pod-name": pod}
            # Published before ready: the others must see a server that is coming back.
            one = service(
                pod, namespace, _LABELS[server], select, ports[server], publishNotReadyAddresses=True
            )
            yield pod, _unawaited(one)
    yield NAME, service(NAME, namespace, _LABELS[NAME], selector(NAME), {NAME: PORT}, clusterIP="None",
                        publishNotReadyAddresses=True)  # fmt: skip
    yield (
        SENTINEL,
        _unawaited(service(SENTINEL, namespace, _LABELS[SENTINEL], selector(SENTINEL), ports[SENTINEL])),
    )
    if settings.reads_from_replicas:
        reads = service(READS, namespace, _LABELS[NAME], selector(NAME), {NAME: PORT})
        yield READS, _unawaited(reads)


def _unawaited(manifest: kinds.Service) -> kinds.Service:
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "annotations": {"pulumi.com/skipAwait": "true"}},
    }


def _policies(namespace: pulumi.Input[str]) -> Iterator[tuple[str, kinds.NetworkPolicy]]:
    """One label opens both ports: whoever asks a Sentinel for the primary goes there next."""
    component = COMPONENT
    for server, port, name in ((NAME, PORT, ""), (SENTINEL, SENTINEL_PORT, "sentinels-")):
        yield f"{name}network", network.server(server, namespace, component, port, label=NAME)
        yield f"{name}clients", network.clients(server, namespace, component, port, label=NAME)
    yield "agents", network.peers("valkey-agents", NAME, namespace, component, AGENT_PORT)


def _stateful_set(
    server: str, count: int, namespace: pulumi.Input[str], template: kinds.PodTemplateSpec
) -> kinds.StatefulSet:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(server, namespace, _LABELS[server], _WHY_NO_BACKUP.get(server)),
        "spec": {
            "serviceName": server,
            "replicas": count,
            "selector": {"matchLabels": selector(server)},
            # After a power cut they need each other to get ready; one by one the first would wait for ever.
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            # The others must have noticed that one is back before the next one goes.
            "minReadySeconds": 2 if server == NAME else 1,
            "revisionHistoryLimit": 5,
            "template": template,
            # Never used, but the pods' claims are named by it: the program makes these claims itself, since
            # what stands here can't change, and a volume is to grow.
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": _CLAIM_TEMPLATE},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}},
                    },
                }
            ],
        },
    }
