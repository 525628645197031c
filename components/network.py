"""Who may talk to whom. The namespace denies everything; each server names what opens it.

A pod reaches a server by carrying that server's access label, for example
`filewallball.io/access-mariadb: "true"`. A pod of another namespace needs the label too, and its
namespace the label `filewallball.io/client: "true"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pulumi

from components.kube import labels, metadata, selector
from facts.pods import access_labels as access
from facts.policy import REASON

if TYPE_CHECKING:
    from components import kinds

CLIENT_NAMESPACE = {"filewallball.io/client": "true"}


def policy(
    name: str, namespace: pulumi.Input[str], component: str, spec: kinds.NetworkPolicySpec, reason: str = ""
) -> kinds.NetworkPolicy:
    """A policy. `reason`: who needs what it opens, and what for; nothing where it opens nothing."""
    why = {REASON: reason} if reason else None
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(name, namespace, labels(name, component), why),
        "spec": spec,
    }


Ports = int | tuple[int, ...]


def _ports(ports: Ports) -> list[kinds.NetworkPolicyPort]:
    return _tcp(*((ports,) if isinstance(ports, int) else ports))


def _tcp(*ports: int) -> list[kinds.NetworkPolicyPort]:
    return [{"protocol": "TCP", "port": port} for port in ports]


def server(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    port: Ports,
    label: str | None = None,
    called: str | None = None,
    reason: str = "",
) -> kinds.NetworkPolicy:
    """Lets pods with the access label in to a server's port, or to its ports.

    `label`: whose label it is, if not its own. `called`: the policy's name, if not the server's.
    """
    who: kinds.LabelSelector = {"matchLabels": access(label or name)}
    return policy(
        called or name, namespace, component,
        {
            "podSelector": {"matchLabels": selector(name)},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [
                        {"podSelector": who},
                        {"podSelector": who, "namespaceSelector": {"matchLabels": CLIENT_NAMESPACE}},
                    ],
                    "ports": _ports(port),
                }
            ],
        },
        reason or f"Clients of {label or name} connect to {name}, which knows them by their password.",
    )  # fmt: skip


def clients(
    name: str,
    namespace: pulumi.Input[str],
    component: str,
    port: Ports,
    label: str | None = None,
    called: str | None = None,
) -> kinds.NetworkPolicy:
    """Lets pods of this namespace with the access label out to a server's port, or to its ports."""
    return policy(
        f"{called or name}-clients", namespace, component,
        {
            "podSelector": {"matchLabels": access(label or name)},
            "policyTypes": ["Egress"],
            "egress": [
                {"to": [{"podSelector": {"matchLabels": selector(name)}}], "ports": _ports(port)}
            ],
        },
        f"Clients of {label or name} in this namespace connect to {name}.",
    )  # fmt: skip


def peers(
    name: str, server: str, namespace: pulumi.Input[str], component: str, port: int
) -> kinds.NetworkPolicy:
    """Lets the pods of one server reach each other's port, which nobody else can."""
    pods: kinds.LabelSelector = {"matchLabels": selector(server)}
    return policy(
        name, namespace, component,
        {
            "podSelector": pods,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": pods}], "ports": _tcp(port)}],
            "egress": [{"to": [{"podSelector": pods}], "ports": _tcp(port)}],
        },
        f"The pods of {server} tell each other how they are.",
    )  # fmt: skip


def gate(
    name: str,
    server: str,
    namespace: pulumi.Input[str],
    component: str,
    ports: Sequence[int],
    others: Sequence[kinds.NetworkPolicyPeer],
    reason: str,
) -> kinds.NetworkPolicy:
    """Lets pods with the access label `name`, and others, in to some ports of a server."""
    who: kinds.LabelSelector = {"matchLabels": access(name)}
    peers: list[kinds.NetworkPolicyPeer] = [
        {"podSelector": who},
        {"podSelector": who, "namespaceSelector": {"matchLabels": CLIENT_NAMESPACE}},
        *others,
    ]
    return policy(
        name, namespace, component,
        {
            "podSelector": {"matchLabels": selector(server)},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": _tcp(*ports)}],
        },
        reason,
    )  # fmt: skip


def towards(
    name: str, server: str, namespace: pulumi.Input[str], component: str, ports: Sequence[int]
) -> kinds.NetworkPolicy:
    """Lets pods of this namespace with the access label `name` out to what `gate` opens."""
    return policy(
        f"{name}-clients", namespace, component,
        {
            "podSelector": {"matchLabels": access(name)},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": {"matchLabels": selector(server)}}], "ports": _tcp(*ports)}],
        },
        f"Clients of {name} in this namespace connect to {server}.",
    )  # fmt: skip


def to_address(
    name: str, namespace: pulumi.Input[str], component: str, label: str, cidr: str, port: int
) -> kinds.NetworkPolicy:
    """Lets pods with the access label out to one port of a block of addresses."""
    return policy(
        name, namespace, component,
        {
            "podSelector": {"matchLabels": access(label)},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"ipBlock": {"cidr": cidr}}], "ports": _tcp(port)}],
        },
    )  # fmt: skip


def outward(
    name: str, namespace: pulumi.Input[str], component: str, ports: Sequence[int]
) -> kinds.NetworkPolicy:
    """Lets pods with the access label out to TCP ports of any address, where none is known beforehand."""
    return policy(
        f"{name}-clients", namespace, component,
        {
            "podSelector": {"matchLabels": access(name)},
            "policyTypes": ["Egress"],
            "egress": [{"ports": _tcp(*ports)}],
        },
        f"Clients of {name} reach it where it is, outside of the namespace, at an address that can change.",
    )  # fmt: skip
