"""The namespace: restricted pods only, and no traffic but what a server names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, schema
from components.kube import Keeping, Object, labels, metadata

if TYPE_CHECKING:
    from components import kinds


@dataclass
class NamespaceArgs:
    name: str
    keeping: Keeping
    dns: schema.Dns


class Namespace(pulumi.ComponentResource):
    """Holds everything of the stack, and outlives `destroy` because the claims in it do."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: NamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Namespace", name, None, opts)
        namespace = Object(name, _namespace(args), args.keeping.options(self))
        self.name = namespace.metadata.apply(lambda found: str(found["name"]))
        child = pulumi.ResourceOptions(parent=self)
        Object(f"{name}-deny", network.policy("default-deny", self.name, "namespace", _DENY_ALL), child)
        asking = network.policy(
            "dns", self.name, "namespace", _dns(args.dns), "Every pod asks the cluster's DNS for addresses."
        )
        Object(f"{name}-dns", asking, child)
        self.register_outputs({"name": self.name})


def _namespace(args: NamespaceArgs) -> kinds.Namespace:
    security = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", "latest"))
    }
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": metadata(
            args.name, None, labels(args.name, "namespace") | security, args.keeping.annotations
        ),
    }


_DENY_ALL: kinds.NetworkPolicySpec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def _dns(dns: schema.Dns) -> kinds.NetworkPolicySpec:
    """Names may be asked for where the cluster's DNS runs, and of a cache on the node."""
    where: kinds.LabelSelectorRequirement = {
        "key": "kubernetes.io/metadata.name",
        "operator": "In",
        "values": dns.namespaces,
    }
    caches: list[kinds.NetworkPolicyPeer] = [{"ipBlock": {"cidr": block}} for block in dns.addresses]
    ports: list[kinds.NetworkPolicyPort] = [
        {"protocol": protocol, "port": port} for port in dns.ports for protocol in ("UDP", "TCP")
    ]
    return {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"namespaceSelector": {"matchExpressions": [where]}}, *caches], "ports": ports}],
    }
