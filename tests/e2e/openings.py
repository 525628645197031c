"""What the NetworkPolicies of a namespace say, read from the cluster: who reaches which port of which pod.

Of the language of policies this knows what the stack uses: labels to match, namespaces by their labels, TCP
ports by number. Anything else fails, so that nothing is overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, str]
Target = tuple[str, int]
"""An address and a port."""


@dataclass(frozen=True)
class Pod:
    """One that runs, with the ports that it says it has."""

    name: str
    address: str
    labels: Labels
    ports: Mapping[str, int]


@dataclass(frozen=True)
class Client:
    """A pod that connects. `namespace`: the labels of its own, if it isn't the stack's."""

    labels: Labels = field(default_factory=dict[str, str])
    namespace: Labels | None = None


def pods(found: list[dict[str, Any]]) -> list[Pod]:
    """Those of a list that run."""
    return [
        Pod(
            each["metadata"]["name"],
            each["status"]["podIP"],
            each["metadata"].get("labels", {}),
            {
                port.get("name", str(port["containerPort"])): port["containerPort"]
                for container in [*each["spec"]["containers"], *each["spec"].get("initContainers", [])]
                for port in container.get("ports", [])
            },
        )
        for each in found
        if each["status"]["phase"] == "Running"
    ]


def targets(servers: list[Pod], services: list[dict[str, Any]]) -> dict[Target, list[tuple[Pod, int]]]:
    """Every port of every pod and Service, with the ports of pods that answer behind it."""
    found: dict[Target, list[tuple[Pod, int]]] = {
        (pod.address, port): [(pod, port)] for pod in servers for port in pod.ports.values()
    }
    for service in services:
        spec = service["spec"]
        if spec["clusterIP"] == "None":
            continue  # its names are the pods' own addresses
        behind = [pod for pod in servers if matches(spec["selector"], pod.labels)]
        for port in spec["ports"]:
            to = port["targetPort"]
            found[spec["clusterIP"], port["port"]] = [
                (pod, pod.ports[to] if isinstance(to, str) else to) for pod in behind
            ]
    return found


def matches(selector: Labels, labels: Labels) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def access_labels(policies: list[dict[str, Any]]) -> set[str]:
    """The labels that let a pod in to some server."""
    peers = (
        peer for policy in policies for rule in policy["spec"].get("ingress", []) for peer in rule["from"]
    )
    return {
        label
        for peer in peers
        for label in peer["podSelector"]["matchLabels"]
        if label.startswith("filewallball.io/access-")
    }


class Openings:
    """The policies of the stack's namespace."""

    def __init__(self, policies: list[dict[str, Any]]) -> None:
        self._policies = [each["spec"] for each in policies]

    def admit(self, client: Client, server: Pod, port: int) -> bool:
        """Whether the server's side lets the client in and, in the same namespace, the client's side out."""
        let_in = any(
            self._peer(peer, client.labels, client.namespace)
            for rule in self._rules("ingress", server.labels)
            if _port(rule, port)
            for peer in rule["from"]
        )
        if client.namespace is not None:
            return let_in
        return let_in and any(
            self._peer(peer, server.labels, None)
            for rule in self._rules("egress", client.labels)
            if _port(rule, port)
            for peer in rule.get("to", [{}])
        )

    def _rules(self, side: str, labels: Labels) -> Iterator[dict[str, Any]]:
        for spec in self._policies:
            assert set(spec["podSelector"]) <= {"matchLabels"}, spec
            if matches(spec["podSelector"].get("matchLabels", {}), labels):
                yield from spec.get(side, [])

    @staticmethod
    def _peer(peer: Mapping[str, Any], labels: Labels, namespace: Labels | None) -> bool:
        if "ipBlock" in peer or set(peer.get("namespaceSelector", {})) == {"matchExpressions"}:
            return False  # the cluster's own DNS
        assert set(peer) <= {"podSelector", "namespaceSelector"}, peer
        here = (
            namespace is None
            if "namespaceSelector" not in peer
            else namespace is not None and matches(peer["namespaceSelector"]["matchLabels"], namespace)
        )
        return here and matches(peer.get("podSelector", {}).get("matchLabels", {}), labels)


def _port(rule: Mapping[str, Any], port: int) -> bool:
    return any(each["port"] == port for each in rule["ports"] if each["protocol"] == "TCP")
