"""A stranger's pod reaches no port of the stack; one with a server's label reaches that server alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cluster_objects as objects
import pytest
from openings import Client, Openings, Target, access_labels, pods, targets
from shared_stack import SharedStack

from components.network import CLIENT_NAMESPACE
from facts.pods import access_labels as labels_for
from filewallball.kube import KubeError

PROBER = Path(__file__).with_name("prober_in_pod.py")
OUTSIDE, GUEST = "shared-outside", "shared-guest"
NAMESPACES: dict[str, dict[str, str]] = {OUTSIDE: {}, GUEST: CLIENT_NAMESPACE}
KUBERNETES = "access-kubernetes"
API = ("kubernetes.default.svc", 443)
"""What a pod outside reaches, and one with that label: no server of the stack."""


def restricted(
    namespace: str, name: str, image: str, labels: dict[str, str], probes: object
) -> dict[str, Any]:
    """A pod as the namespace takes it, which probes and ends."""
    container = {
        "name": "prober",
        "image": image,
        "command": ["python3", "-c", PROBER.read_text(encoding="utf-8")],
        "env": [{"name": "PROBES", "value": json.dumps(probes)}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 999,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.fixture
def others(shared_stack: SharedStack) -> Iterator[None]:
    """A namespace that the stack knows nothing of, and one that it takes for its clients'."""
    kube = shared_stack.kube
    for name, labels in NAMESPACES.items():
        metadata = {"name": name, "labels": labels}
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    yield
    for name in NAMESPACES:
        kube.delete("v1", "Namespace", name)


def probed(
    stack: SharedStack, clients: dict[str, Client], wanted: dict[str, list[Target]], every: list[Target]
) -> dict[str, set[Target]]:
    """What each client reaches: a pod for each, all at once."""
    kube = stack.kube
    checks = kube.get("v1", "PodTemplate", "filewallball-checks", stack.name)
    assert checks
    image = checks["template"]["spec"]["containers"][0]["image"]
    where = {
        name: next((key for key, labels in NAMESPACES.items() if client.namespace == labels), stack.name)
        for name, client in clients.items()
    }
    for namespace in NAMESPACES:
        objects.wait_until(
            lambda namespace=namespace: kube.get("v1", "ServiceAccount", "default", namespace) is not None,
            f"service accounts in {namespace}",
        )
    for name, client in clients.items():
        probes = {
            "closed": [target for target in every if target not in wanted[name]],
            "opening": wanted[name],
            "closing": [] if API in wanted[name] else [API],
        }
        kube.create(restricted(where[name], name, image, dict(client.labels), probes))
    found: dict[str, set[Target]] = {}
    for name in clients:
        assert objects.wait_ended(kube, where[name], name) == "Succeeded", kube.logs(name, where[name])
        said = json.loads(kube.logs(name, where[name]).splitlines()[-1])
        found[name] = {(host, port) for host, port in said}
        kube.delete("v1", "Pod", name, where[name])
    return found


@pytest.mark.usefixtures("others")
def test_strangers_reach_nothing_and_each_opening_lets_its_own_in(shared_stack: SharedStack) -> None:
    kube, namespace = shared_stack.kube, shared_stack.name
    policies = kube.list("networking.k8s.io/v1", "NetworkPolicy", namespace)
    servers = pods(kube.list("v1", "Pod", namespace))
    every = targets(servers, kube.list("v1", "Service", namespace))
    labels = sorted(access_labels(policies))
    assert {pod.labels["app.kubernetes.io/name"] for pod in servers} >= {
        "mariadb",
        "redis",
        "valkey",
        "store",
    }
    assert all(every.values()), every

    all_labels = dict.fromkeys(labels, "true")
    clients = {
        "stranger": Client(),
        "stranger-outside": Client(namespace={}),
        # the labels alone, or the namespace's alone, open nothing
        "liar-outside": Client(all_labels, {}),
        "stranger-guest": Client(namespace=CLIENT_NAMESPACE),
        "guest": Client(all_labels, CLIENT_NAMESPACE),
    }
    of_servers = {label.rpartition("/")[2]: Client({label: "true"}) for label in labels}
    clients |= of_servers
    clients[KUBERNETES] = Client(labels_for("kubernetes"))
    openings = Openings(policies)
    wanted = {
        name: [
            target
            for target, behind in every.items()
            if all(openings.admit(client, server, port) for server, port in behind)
        ]
        for name, client in clients.items()
    }
    for name, client in clients.items():
        assert bool(wanted[name]) == (name == "guest" or name in of_servers), name
        # what the others' namespaces leave open, so that each of their pods shows that a probe gets through
        if client.namespace is not None or name == KUBERNETES:
            wanted[name].append(API)
    reached = probed(shared_stack, clients, wanted, list(every))
    for name in clients:
        assert reached[name] == set(wanted[name]), name


def test_the_namespace_refuses_a_pod_with_rights_over_its_node(shared_stack: SharedStack) -> None:
    kube, name = shared_stack.kube, shared_stack.name
    found = kube.get("v1", "Namespace", name)
    assert found
    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for change in (
        {"privileged": True, "allowPrivilegeEscalation": True},
        {"runAsUser": 0},
        {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}},
    ):
        manifest = restricted(name, "privileged", "docker.io/library/busybox:1.35", {}, {})
        manifest["spec"]["containers"][0]["securityContext"] |= change
        with pytest.raises(KubeError, match='violates PodSecurity "restricted:latest"'):
            kube.create(manifest)
        assert kube.get("v1", "Pod", "privileged", name) is None
