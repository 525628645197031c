"""The ways to the balancer: its Services, an Ingress or a route before them, and who may come in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pulumi

from components import network, schema
from components.kube import labels, metadata, selector
from facts.addresses import URL, Page
from facts.balancer import (
    ADMIN,
    ADMIN_PORT,
    ADMIN_SERVICE_PORT,
    ADMINISTRATION,
    HTTP,
    HTTPS,
    NAME,
    SITE,
    SITE_PORT,
    SITE_TLS_PORT,
    STATUS,
    STATUS_PORT,
)

if TYPE_CHECKING:
    from components import kinds

COMPONENT = "balancer"
LABELS = labels(NAME, COMPONENT)
_UNAWAITED = {"pulumi.com/skipAwait": "true"}


def services(settings: schema.Balancer, namespace: pulumi.Input[str]) -> Iterator[tuple[str, kinds.Manifest]]:
    """Resource name → Service, and what stands before it. No pod is waited for: they come later."""
    wanted = settings.service
    more: kinds.ServiceSpecMore = {"type": wanted.type}
    if wanted.type != "ClusterIP" and wanted.keep_client_address:
        more["externalTrafficPolicy"] = "Local"
    ports, scheme = {"http": (HTTP, "site")}, "http"
    if settings.tls_secret:
        # The first port is the one that is forwarded.
        ports, scheme = {"https": (HTTPS, "site-tls"), **ports}, "https"
    said = {**_page(SITE, scheme, 3000), **wanted.annotations}
    yield "service", _service(NAME, namespace, ports, more, said, wanted.node_port)
    yield (
        "service-admin",
        _service(
            ADMIN,
            namespace,
            {"admin": (ADMIN_SERVICE_PORT, "admin")},
            {},
            _page(ADMINISTRATION, scheme, 3001),
        ),
    )
    # Without an address of its own its name stands for every pod, each of which has a state of its own.
    each: kinds.ServiceSpecMore = {"clusterIP": "None", "publishNotReadyAddresses": True}
    yield "service-status", _service(STATUS, namespace, {"status": (STATUS_PORT, "status")}, each)
    if settings.ingress:
        yield "ingress", _ingress(settings.ingress, settings.hosts, namespace)
    if settings.route:
        yield "route", _route(settings.route, settings.hosts, namespace)


def _page(name: str, scheme: str, port: int) -> dict[str, str]:
    """What a Service says to be opened in a browser, at this port of the user's own machine."""
    return {URL: str(Page(name, scheme, port))}


def _service(
    name: str,
    namespace: pulumi.Input[str],
    ports: Mapping[str, tuple[int, str]],
    more: kinds.ServiceSpecMore,
    annotations: Mapping[str, str] | None = None,
    node_port: int | None = None,
) -> kinds.Service:
    """`ports`: name → its number here, and the name of the pods' port. `node_port`: of the first."""
    listed: list[kinds.ServicePort] = [
        {"name": each, "port": port, "targetPort": target, "protocol": "TCP"}
        for each, (port, target) in ports.items()
    ]
    if node_port:
        listed[0]["nodePort"] = node_port
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, LABELS, _UNAWAITED | dict(annotations or {})),
        "spec": {
            "selector": selector(NAME),
            "ports": listed,
            **more,
        },
    }


def _ingress(
    settings: schema.BalancerIngress, hosts: Sequence[str], namespace: pulumi.Input[str]
) -> kinds.Ingress:
    backend: kinds.IngressBackend = {"service": {"name": NAME, "port": {"name": "http"}}}
    paths: list[kinds.HTTPIngressPath] = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec: kinds.IngressSpec = {"rules": [{"host": host, "http": {"paths": paths}} for host in hosts]}
    if settings.class_name:
        spec["ingressClassName"] = settings.class_name
    if settings.tls_secret:
        spec["tls"] = [{"hosts": list(hosts), "secretName": settings.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(NAME, namespace, LABELS, _UNAWAITED | settings.annotations),
        "spec": spec,
    }


def _route(
    settings: schema.BalancerRoute, hosts: Sequence[str], namespace: pulumi.Input[str]
) -> kinds.Manifest:
    """A custom resource of the Gateway API, which kinds.py doesn't know."""
    parent = {
        "name": settings.gateway,
        **({"namespace": settings.namespace} if settings.namespace else {}),
        **({"sectionName": settings.listener} if settings.listener else {}),
    }
    manifest: dict[str, Any] = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata(NAME, namespace, LABELS, _UNAWAITED),
        "spec": {
            "parentRefs": [parent],
            "hostnames": list(hosts),
            "rules": [{"backendRefs": [{"name": NAME, "port": HTTP}]}],
        },
    }
    return cast("kinds.Manifest", manifest)


def policies(
    settings: schema.Balancer, namespace: pulumi.Input[str]
) -> Iterator[tuple[str, kinds.NetworkPolicy]]:
    """Who comes in, by the access label of each Service or by the settings."""
    site = [SITE_PORT, SITE_TLS_PORT] if settings.tls_secret else [SITE_PORT]
    openings = {
        NAME: (site, settings.clients, "Users of the site, and what stands before it, come in."),
        ADMIN: ([ADMIN_PORT], settings.admin_clients, "Administrators come in."),
        STATUS: ([STATUS_PORT], schema.BalancerClients(), "Monitoring asks for the state of the servers."),
    }
    for name, (ports, clients, reason) in openings.items():
        yield (
            f"network-{name}",
            network.gate(name, NAME, namespace, COMPONENT, ports, _peers(clients), reason),
        )
        yield f"clients-{name}", network.towards(name, NAME, namespace, COMPONENT, ports)


def _peers(clients: schema.BalancerClients) -> list[kinds.NetworkPolicyPeer]:
    found: list[kinds.NetworkPolicyPeer] = [{"ipBlock": {"cidr": each}} for each in clients.addresses]
    if clients.namespaces:
        where: kinds.LabelSelectorRequirement = {
            "key": "kubernetes.io/metadata.name",
            "operator": "In",
            "values": clients.namespaces,
        }
        found.append({"namespaceSelector": {"matchExpressions": [where]}})
    return found
