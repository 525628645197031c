"""Where pods may ask for names, and where the checks reach the API server: by settings, for any cluster."""

from __future__ import annotations

from typing import Any

from program_run import DEV, Rendered, merged


def egress(rendered: Rendered, policy: str) -> dict[str, Any]:
    [rule] = rendered.object("NetworkPolicy", policy).inputs["spec"]["egress"]
    return rule


def ports(rule: dict[str, Any]) -> set[tuple[str, int]]:
    return {(port["protocol"], port["port"]) for port in rule["ports"]}


def test_names_are_found_in_the_common_clusters(dev: Rendered) -> None:
    rule = egress(dev, "dns")
    [where, cache] = rule["to"]
    [namespaces] = where["namespaceSelector"]["matchExpressions"]
    assert namespaces["values"] == ["kube-system", "openshift-dns"]
    assert cache == {"ipBlock": {"cidr": "169.254.0.0/16"}}, "NodeLocal DNSCache"
    assert ports(rule) == {("UDP", 53), ("TCP", 53), ("UDP", 5353), ("TCP", 5353)}


def test_the_api_server_is_reached_on_the_common_ports(dev: Rendered) -> None:
    assert ports(egress(dev, "kubernetes-clients")) == {("TCP", port) for port in (443, 6443, 8443, 16443)}


def test_another_cluster_says_where_its_own_are(render: Any) -> None:
    network = {"dns": {"namespaces": ["dns"], "ports": [1053], "addresses": ["10.96.0.10/32", "fd00::a/128"]}}
    rendered = render(merged(DEV, {"cluster": network | {"apiServerPorts": [7443]}}))
    rule = egress(rendered, "dns")
    assert rule["to"][0]["namespaceSelector"]["matchExpressions"][0]["values"] == ["dns"]
    assert [each["ipBlock"]["cidr"] for each in rule["to"][1:]] == ["10.96.0.10/32", "fd00::a/128"]
    assert ports(rule) == {("UDP", 1053), ("TCP", 1053)}
    assert ports(egress(rendered, "kubernetes-clients")) == {("TCP", 7443)}
