"""The balancer: nginx in front of the application's servers, and what tells the state of these servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, schema
from components.balancer_conf import Paths, Upstream, render
from components.balancer_ways import COMPONENT, LABELS, policies, services
from components.described import Address, Checked, Described, Description, Image, Outputs
from components.kube import (
    AGAIN,
    Object,
    config_map,
    disruption_budget,
    fingerprint,
    labels,
    metadata,
    selector,
)
from facts import app
from facts.balancer import (
    ADMIN,
    ADMIN_PORT,
    ADMIN_SERVICE_PORT,
    HEALTH_PATH,
    HTTP,
    HTTPS,
    MODULE,
    NAME,
    PEERS,
    RUN_PATH,
    SITE_PORT,
    SITE_TLS_PORT,
    STATUS,
    STATUS_PORT,
)
from facts.checks.balancer import BalancerTarget
from facts.pods import CONFIG_PATH, config_file, secret_folder

if TYPE_CHECKING:
    from components import kinds

TEST = "balancer-test"
_TEST_LABELS = labels(TEST, COMPONENT)
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_TMP_SIZE = "1Gi"
_MINUTES = 5


@dataclass
class BalancerArgs:
    """`image`: what runs beside nginx. `servers`: name, host, port of the site, port of the administration.

    `upload_bytes`: size of the largest file. `before`: what must be there before nginx starts, since it looks
    the servers' names up only then.
    """

    namespace: pulumi.Input[str]
    settings: schema.Balancer
    image: str
    servers: Sequence[tuple[str, str, int, int]]
    upload_bytes: int
    before: Sequence[pulumi.Resource] = ()


class Balancer(Described):
    """The Deployment `balancer` with its Services `balancer`, `balancer-admin` and `balancer-status`."""

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Balancer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, namespace = args.settings, args.namespace
        paths = Paths(app.LOG_INS, app.UPLOADS, args.upload_bytes)
        config = render(settings, [Upstream(*each) for each in args.servers], paths)
        # Each configuration has a ConfigMap of its own: pods that are replaced keep theirs to the end, also
        # when they start again while nginx refuses the new one.
        config_name = f"{NAME}-{fingerprint(config)}"
        template = _template(args, config_name)
        test = _test(args, config_name)
        self.description = Description(
            fingerprint(template, settings.replicas),
            images=(Image("balancer.image", settings.image), Image("balancer.peers.image", args.image)),
            checked=_checked(args),
            outputs=_outputs(settings),
        )
        files = Object(
            f"{name}-config-{config_name}", config_map(config_name, namespace, LABELS, config), child
        )
        test_name = f"{TEST}-{fingerprint(test)}"
        tested = Object(
            f"{name}-{test_name}",
            _job(test_name, namespace, test),
            _options(child, [files, *args.before], f"{_MINUTES + 1}m"),
        )
        # They are for the new pods too: old ones may not have the ports that these lead to.
        then = _options(child, [tested], "5m")
        for each, manifest in (*services(settings, namespace), *policies(settings, namespace)):
            Object(f"{name}-{each}", manifest, then)
        Object(f"{name}-disruptions", disruption_budget(NAME, namespace, LABELS), child)
        Object(f"{name}-server", _deployment(settings, namespace, template), _options(child, [tested], "10m"))
        self.register_outputs({})

    @classmethod
    def where_wanted(cls, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions) -> list[Balancer]:
        """The balancer, where the settings want one; else none."""
        return [cls(name, args, opts)] if args.settings.enabled else []


def _options(
    child: pulumi.ResourceOptions, before: Sequence[pulumi.Resource], patience: str
) -> pulumi.ResourceOptions:
    more = pulumi.ResourceOptions(
        depends_on=list(before),
        custom_timeouts=pulumi.CustomTimeouts(create=patience, update=patience, delete="10m"),
    )
    return pulumi.ResourceOptions.merge(child, more)


def _checked(args: BalancerArgs) -> Checked:
    encrypted = args.settings.tls_secret is not None
    target = BalancerTarget(
        # Answered whatever the names are.
        host=NAME,
        servers=tuple(name for name, *_ in args.servers),
        pods=args.settings.replicas,
        encrypted=encrypted,
        site_port=HTTPS if encrypted else HTTP,
    )
    return Checked(target, access=(NAME, STATUS))


def _outputs(settings: schema.Balancer) -> Outputs:
    port = HTTPS if settings.tls_secret else HTTP
    return Outputs(
        hosts={
            NAME: Address(NAME, port),
            ADMIN: Address(ADMIN, ADMIN_SERVICE_PORT),
            STATUS: Address(STATUS, STATUS_PORT),
        }
    )


def _files(settings: schema.Balancer, config_name: str) -> tuple[dict[str, str], list[kinds.Volume]]:
    """What nginx reads: volume → path, and the volumes."""
    mounts = {"config": CONFIG_PATH, "run": RUN_PATH, "tmp": _TMP}
    volumes = [
        pods.config_volume("config", config_name),
        pods.scratch_volume("run", "4Mi", memory=True),
        # Bodies that come slower than nginx may pass them on; never whole files.
        pods.scratch_volume("tmp", _TMP_SIZE),
    ]
    if secret := settings.tls_secret:
        mounts["tls"] = secret_folder(secret)
        volumes.append(pods.secret_volume("tls", secret, ["tls.crt", "tls.key"]))
    return mounts, volumes


def _template(args: BalancerArgs, config_name: str) -> kinds.PodTemplateSpec:
    settings = args.settings
    mounts, volumes = _files(settings, config_name)
    health: kinds.Probe = {"httpGet": {"path": HEALTH_PATH, "port": "status"}, "timeoutSeconds": 5}
    numbers = {"site": SITE_PORT, "admin": ADMIN_PORT, "status": STATUS_PORT}
    if settings.tls_secret:
        numbers["site-tls"] = SITE_TLS_PORT
    server = pods.container(
        "nginx",
        settings.image,
        settings.resources,
        ["/bin/sh", config_file("start.sh")],
        mounts,
        writable=["run", "tmp"],
        env={"FWB_DRAIN_SECONDS": str(settings.drain_seconds)},
        ports=[{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in numbers.items()],
        startupProbe=health | {"periodSeconds": 1, "failureThreshold": 60},
        readinessProbe=health | {"periodSeconds": 2, "failureThreshold": 2},
        livenessProbe=health | {"periodSeconds": 10, "failureThreshold": 6},
    )
    answers = "import socket; socket.socket(socket.AF_UNIX).connect('/run/balancer/status.sock')"
    beside = pods.container(
        PEERS,
        args.image,
        settings.peers.resources,
        ["python3", "-m", MODULE],
        {"config": CONFIG_PATH, "run": RUN_PATH},
        writable=["run"],
        livenessProbe={
            "exec": {"command": ["python3", "-c", answers]},
            "initialDelaySeconds": 10,
            "periodSeconds": 30,
            "failureThreshold": 3,
            "timeoutSeconds": 5,
        },
    )
    return pods.template(
        LABELS | network.access(app.NAME),
        [server, beside],
        volumes,
        grace_seconds=settings.drain_seconds + settings.shutdown_seconds + 10,
        affinity=_apart(),
    )


def _apart() -> kinds.Affinity:
    """On other nodes and in other zones, where the cluster has room there."""
    where: kinds.LabelSelector = {"matchLabels": selector(NAME)}
    keys = {"kubernetes.io/hostname": 100, "topology.kubernetes.io/zone": 50}
    terms: list[kinds.WeightedPodAffinityTerm] = [
        {"weight": weight, "podAffinityTerm": {"topologyKey": key, "labelSelector": where}}
        for key, weight in keys.items()
    ]
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}


def _test(args: BalancerArgs, config_name: str) -> kinds.JobSpec:
    """The Job in which nginx reads the configuration, before any pod gets it."""
    mounts, volumes = _files(args.settings, config_name)
    container = pods.container(
        "test",
        args.settings.image,
        args.settings.resources,
        ["/bin/sh", config_file("test.sh")],
        mounts,
        writable=["run", "tmp"],
    )
    template = pods.template(_TEST_LABELS, [container], volumes, grace_seconds=5, restartPolicy="Never")
    return {"backoffLimit": 1, "activeDeadlineSeconds": _MINUTES * 60, "template": template}


def _job(name: str, namespace: pulumi.Input[str], spec: kinds.JobSpec) -> kinds.Job:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, namespace, _TEST_LABELS, AGAIN),
        "spec": spec,
    }


def _deployment(
    settings: schema.Balancer, namespace: pulumi.Input[str], template: kinds.PodTemplateSpec
) -> kinds.Deployment:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(NAME, namespace, LABELS),
        "spec": {
            "replicas": settings.replicas,
            "selector": {"matchLabels": selector(NAME)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            # A Service must have learnt of a new pod before the next old one goes.
            "minReadySeconds": 2,
            "revisionHistoryLimit": 5,
            "progressDeadlineSeconds": 300,
            "template": template,
        },
    }
