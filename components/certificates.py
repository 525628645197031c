"""Certificates for the servers: Jobs make them before the servers start, a CronJob renews them.

An object can't hold what only a live cluster knows, such as the address of a Service. So the program declares
the Secrets without content, and a Job in the cluster fills them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, rights, schema
from components.described import Checked, ConfigFiles, Described, Description, Image
from components.endpoints import Encryption
from components.kube import AGAIN, Object, fingerprint, labels, metadata, selector
from facts import mariadb, redis, tls, valkey
from facts.checks.tls import TlsTarget
from facts.tls import NAME, Variables

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(NAME, "certificates")
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_MINUTES = 5
SCHEDULE = "20 4 * * *"


@dataclass
class CertificatesArgs:
    namespace: pulumi.Input[str]
    settings: schema.Settings
    image: str


class Certificates(Described):
    """The authority of the stack. `encryption`: for the servers and their clients."""

    encryption: Encryption

    def __init__(self, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Certificates", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        servers = _servers(args.settings.valkey)
        job = _job(args, servers)
        self.description = Description(
            fingerprint(job),
            images=(Image("toolkit.image", args.image),),
            checked=Checked(TlsTarget(names=_declared(servers)), secrets=(authority(),)),
        )
        # A Job fills them: `data` is never the program's.
        filled = pulumi.ResourceOptions(
            parent=self, ignore_changes=["data"], additional_secret_outputs=["data", "stringData"]
        )
        issuer = args.settings.tls.cert_manager
        secrets = [*([] if issuer else [tls.AUTHORITY]), *(each.secret for each in servers)]
        before: list[pulumi.Resource] = [
            *(Object(f"{name}-{each}", _secret(each, args.namespace), filled) for each in secrets),
            Object(f"{name}-bundle", _bundle(args.namespace), child),
            *(
                Object(f"{name}-{part}", manifest, child)
                for part, manifest in _rights(
                    args.namespace, servers, secrets, issued=issuer is not None
                ).items()
            ),
            Object(
                f"{name}-clients",
                network.outward(
                    tls.ACCESS, args.namespace, "certificates", args.settings.cluster.api_server_ports
                ),
                child,
            ),
        ]
        schedule = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=before))
        Object(f"{name}-schedule", _cron_job(args, job), schedule)
        self.encryption = Encryption(partial(self._issue, name, args, servers, before), (authority(),))
        self.register_outputs({})

    @classmethod
    def where_wanted(
        cls, name: str, args: CertificatesArgs, opts: pulumi.ResourceOptions
    ) -> list[Certificates]:
        """The authority, where the settings want encrypted connections; else none."""
        return [cls(name, args, opts)] if args.settings.tls.enabled else []

    def _issue(
        self,
        name: str,
        args: CertificatesArgs,
        servers: Sequence[tls.Server],
        before: Sequence[pulumi.Resource],
        server: str,
        services: Sequence[pulumi.Resource],
    ) -> pulumi.Resource:
        """The Job that makes one server's certificate, with the addresses of its Services in it."""
        spec = _job(args, [each for each in servers if each.name == server])
        suffix = f"{server}-{fingerprint(spec)}"
        options = pulumi.ResourceOptions(
            parent=self,
            depends_on=[*before, *services],
            custom_timeouts=pulumi.CustomTimeouts(create=f"{_MINUTES + 2}m", delete="2m"),
        )
        manifest: kinds.Job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata(f"{NAME}-{suffix}", args.namespace, _LABELS, AGAIN),
            "spec": spec,
        }
        return Object(f"{name}-{suffix}", manifest, options)


def authority() -> ConfigFiles:
    """The authority's certificate, as clients mount it."""
    return ConfigFiles("ca", tls.AUTHORITY, tls.CA_PATH)


def _servers(sessions: schema.Valkey) -> tuple[tls.Server, ...]:
    """Every certificate of a stack."""
    reads = (valkey.READS,) if sessions.reads_from_replicas else ()
    members = valkey.pods_of(valkey.NAME, sessions.members)
    sentinels = valkey.pods_of(valkey.SENTINEL, sessions.sentinels)
    return (
        tls.Server(mariadb.NAME, (mariadb.NAME, "mariadb-pods")),
        tls.Server(redis.NAME, (redis.NAME,)),
        tls.Server(valkey.NAME, (valkey.NAME, *reads, *members)),
        tls.Server(valkey.SENTINEL, (valkey.SENTINEL, *sentinels)),
    )


def _declared(servers: Sequence[tls.Server]) -> tuple[str, ...]:
    return tuple(f"{each.name}={service}" for each in servers for service in each.services)


def _secret(name: str, namespace: pulumi.Input[str]) -> kinds.Secret:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, namespace, _LABELS),
        "type": "Opaque",
    }


def _bundle(namespace: pulumi.Input[str]) -> kinds.ConfigMap:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(tls.AUTHORITY, namespace, _LABELS)}


def _rights(
    namespace: pulumi.Input[str],
    servers: Sequence[tls.Server],
    secrets: list[str],
    *,
    issued: bool,
) -> dict[str, kinds.Manifest]:
    services = sorted({service for each in servers for service in each.services})
    rules: list[kinds.PolicyRule] = [
        _rule("secrets", ["get", "update"], secrets),
        _rule("configmaps", ["get", "update"], [tls.AUTHORITY]),
        _rule("services", ["get"], services),
    ]
    if issued:
        requests = [tls.request_of(each.name) for each in servers]
        api, kind = "cert-manager.io", "certificaterequests"
        # A create can't be held to a name.
        rules.append({"apiGroups": [api], "resources": [kind], "verbs": ["create"]})
        rules.append(
            {"apiGroups": [api], "resources": [kind], "verbs": ["get", "delete"], "resourceNames": requests}
        )
    return {
        "account": rights.service_account(NAME, namespace, _LABELS, {}),
        "role": rights.role(NAME, namespace, _LABELS, rules),
        "binding": rights.binding(NAME, namespace, _LABELS, [NAME]),
    }


def _rule(resource: str, verbs: list[str], names: list[str]) -> kinds.PolicyRule:
    return {"apiGroups": [""], "resources": [resource], "verbs": verbs, "resourceNames": names}


def _job(args: CertificatesArgs, servers: Sequence[tls.Server]) -> kinds.JobSpec:
    container = pods.container(
        tls.CONTAINER,
        args.image,
        args.settings.tls.resources,
        ["python3", "-m", tls.MODULE, "renew"],
        {"tmp": _TMP},
        writable=["tmp"],
        env={Variables.SERVERS: tls.written(servers), **_signer(args), "HOME": _TMP},
    )
    template = pods.template(
        _LABELS | network.access(tls.ACCESS),
        [container],
        [pods.scratch_volume("tmp", "16Mi")],
        service_account=NAME,
        token=True,
        grace_seconds=15,
        restartPolicy="Never",
    )
    return {"backoffLimit": 2, "activeDeadlineSeconds": _MINUTES * 60, "template": template}


def _signer(args: CertificatesArgs) -> dict[str, str]:
    """Who signs, if not the stack's own authority."""
    found = args.settings.tls.cert_manager
    return {Variables.ISSUER: str(tls.Issuer(found.kind, found.issuer))} if found else {}


def _cron_job(args: CertificatesArgs, job: kinds.JobSpec) -> kinds.CronJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(tls.CRON_JOB, args.namespace, _LABELS),
        "spec": {
            "schedule": SCHEDULE,
            "timeZone": args.settings.time_zone,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 6 * 3600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"metadata": {"labels": _LABELS | selector(NAME)}, "spec": job},
        },
    }
