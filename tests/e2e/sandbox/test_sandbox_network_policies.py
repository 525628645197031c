"""Network policies hold: what they forbid fails, and what they allow goes through, behind Services too."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import cluster_objects as objects
import pytest
from shared_sandbox import Sandbox

CLIENT = "client"
POLICY = ("networking.k8s.io/v1", "NetworkPolicy")


@pytest.fixture(scope="module")
def servers(sandbox: Sandbox) -> Iterator[str]:
    """A namespace with pod and Service `web`, serving `hello`, and a pod `client`, for all tests here."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    sandbox.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    page = "busybox mkdir -p /tmp/www; echo hello > /tmp/www/index.html"
    command = ["sh", "-c", f"{page}; exec busybox httpd -f -p 8080 -h /tmp/www"]
    objects.create_pod(sandbox.kube, namespace, "web", command, labels={"app": "web"}, port=8080)
    objects.create_service(sandbox.kube, namespace, "web", {"app": "web"}, 80, 8080)
    objects.create_pod(sandbox.kube, namespace, CLIENT, ["busybox", "sleep", "3600"])
    for name in ("web", CLIENT):
        objects.wait_ready(sandbox.kube, namespace, name)
    yield namespace
    sandbox.kube.delete("v1", "Namespace", namespace)


@pytest.fixture
def namespace(sandbox: Sandbox, servers: str) -> Iterator[str]:
    """It, with no policy, all open and the client labelled `role: friend`."""
    sandbox.kubectl("-n", servers, "label", "pod", CLIENT, "role=friend", "--overwrite")
    wait_reachable(sandbox, servers, True)
    yield servers
    for found in sandbox.kube.list(*POLICY, servers):
        sandbox.kube.delete(*POLICY, found["metadata"]["name"], servers)


def policy(sandbox: Sandbox, namespace: str, name: str, selector: dict[str, str], **spec: Any) -> None:
    sandbox.kube.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"podSelector": {"matchLabels": selector}, **spec},
        }
    )


def reaches(sandbox: Sandbox, namespace: str, url: str) -> bool:
    # Not wget -T, with which Debian's busybox crashes.
    command = ["busybox", "timeout", "10", "busybox", "wget", "-qO-", url]
    return sandbox.kubectl("-n", namespace, "exec", CLIENT, "--", *command, check=False).returncode == 0


def addresses(sandbox: Sandbox, namespace: str) -> list[str]:
    """The web server by its Service, and by the address of its pod."""
    return [
        f"http://web.{namespace}",
        f"http://{objects.status_of(sandbox.kube, namespace, 'web')['podIP']}:8080",
    ]


def wait_reachable(sandbox: Sandbox, namespace: str, expected: bool) -> None:
    for url in addresses(sandbox, namespace):
        objects.wait_until(
            lambda url=url: reaches(sandbox, namespace, url) is expected,
            f"{url} to be {'open' if expected else 'closed'}",
        )


def test_deny_all_then_a_named_opening(sandbox: Sandbox, namespace: str) -> None:
    policy(sandbox, namespace, "deny", {}, policyTypes=["Ingress"])
    wait_reachable(sandbox, namespace, False)
    # The kubelet's probes still pass.
    assert objects.is_ready(objects.status_of(sandbox.kube, namespace, "web"))

    enemies = [{"podSelector": {"matchLabels": {"role": "enemy"}}}]
    policy(
        sandbox, namespace, "allow", {"app": "web"}, ingress=[{"from": enemies, "ports": [{"port": 8080}]}]
    )
    sandbox.kubectl("-n", namespace, "label", "pod", CLIENT, "role=stranger", "--overwrite")
    assert not reaches(sandbox, namespace, addresses(sandbox, namespace)[1])
    sandbox.kubectl("-n", namespace, "label", "pod", CLIENT, "role=enemy", "--overwrite")
    wait_reachable(sandbox, namespace, True)


def test_ports_by_number_name_and_range(sandbox: Sandbox, namespace: str) -> None:
    for number, port in enumerate([{"port": 8081}, {"port": "main"}, {"port": 9000, "endPort": 9100}]):
        policy(sandbox, namespace, f"p{number}", {"app": "web"}, ingress=[{"ports": [port]}])
        if number == 0:
            wait_reachable(sandbox, namespace, False)
        if number == 1:
            wait_reachable(sandbox, namespace, True)
            sandbox.kube.delete(*POLICY, "p1", namespace)
            wait_reachable(sandbox, namespace, False)
    policy(
        sandbox, namespace, "range", {"app": "web"}, ingress=[{"ports": [{"port": 8000, "endPort": 8100}]}]
    )
    wait_reachable(sandbox, namespace, True)


def test_egress_is_closed_and_opened_by_peer_name_service_and_block(sandbox: Sandbox, namespace: str) -> None:
    by_service, by_address = addresses(sandbox, namespace)
    policy(sandbox, namespace, "deny", {"role": "friend"}, policyTypes=["Egress"])
    wait_reachable(sandbox, namespace, False)

    to_web = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    policy(sandbox, namespace, "web", {"role": "friend"}, policyTypes=["Egress"], egress=[{"to": to_web}])
    objects.wait_until(lambda: reaches(sandbox, namespace, by_address), f"{by_address} to be open")
    assert not reaches(sandbox, namespace, by_service), "names must not be resolved: DNS is still closed"

    dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    ports = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    policy(
        sandbox,
        namespace,
        "dns",
        {"role": "friend"},
        policyTypes=["Egress"],
        egress=[{"to": [dns], "ports": ports}],
    )
    wait_reachable(sandbox, namespace, True)

    # The API server is no pod: only a block or a rule for all peers opens it.
    assert not hears_from_api_server(sandbox, namespace)
    block = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.244.0.0/24"]}}
    policy(sandbox, namespace, "api", {"role": "friend"}, policyTypes=["Egress"], egress=[{"to": [block]}])
    objects.wait_until(lambda: hears_from_api_server(sandbox, namespace), "the API server to be open")


def hears_from_api_server(sandbox: Sandbox, namespace: str) -> bool:
    # It answers plain HTTP with an error, which is an answer.
    command = ["busybox", "timeout", "10", "busybox", "wget", "-qO-", "http://kubernetes.default:443"]
    return (
        "400 Bad Request"
        in sandbox.kubectl("-n", namespace, "exec", CLIENT, "--", *command, check=False).stderr
    )


def test_peers_in_other_namespaces(sandbox: Sandbox, namespace: str) -> None:
    web = objects.status_of(sandbox.kube, namespace, "web")["podIP"]
    stranger = f"{namespace}-b"
    sandbox.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stranger}})
    try:
        objects.create_pod(sandbox.kube, stranger, CLIENT, ["busybox", "sleep", "3600"])
        objects.wait_ready(sandbox.kube, stranger, CLIENT)
        guests = [{"namespaceSelector": {"matchLabels": {"guest": "yes"}}}]
        policy(sandbox, namespace, "guests", {"app": "web"}, ingress=[{"from": guests}])
        url = f"http://{web}:8080"
        objects.wait_until(lambda: not reaches(sandbox, stranger, url), f"{url} to be closed")
        sandbox.kubectl("label", "namespace", stranger, "guest=yes")
        objects.wait_until(lambda: reaches(sandbox, stranger, url), f"{url} to be open")
    finally:
        sandbox.kube.delete("v1", "Namespace", stranger)
