"""The balancer in front of the application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from components.faults import Clash
from components.schema.base import Model, Resources, resources_field
from components.schema.stack import PUSHED
from components.values import Annotations, Cidr, DnsLabel, DnsName, Image, Port, image_of

NginxImage = Annotated[str, image_of("Nginx", "nginx", r"1\.(?:2[2-9]|3\d)", "1.30", "1")]
_HOST = re.compile(r"(?:\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MOST_SECONDS = 3600


def _host(text: str) -> str:
    if len(text) > 253 or not _HOST.fullmatch(text):
        raise ValueError(
            "not the name of a host; write such as mincenter.kr or *.mincenter.kr, in small letters and"
            " without a port"
        )
    return text


Host = Annotated[str, AfterValidator(_host)]
Seconds = Annotated[int, Field(ge=1, le=MOST_SECONDS)]


class BalancerService(Model):
    """The Service that users come by."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP",
        description="ClusterIP: reached in the cluster alone, by an Ingress, say. NodePort: a port of every"
        " node. LoadBalancer: an address that the cluster's provider gives.",
    )
    annotations: Annotations = Field(
        default={}, description="Annotations of the Service, by which providers of load balancers are told."
    )
    node_port: Port | None = Field(
        default=None,
        description="With NodePort: the port of the nodes, for HTTPS if tlsSecret is set, else for HTTP. If"
        " not set, the cluster chooses.",
    )
    keep_client_address: bool = Field(
        default=False,
        description="With NodePort and LoadBalancer: only nodes with a pod of the balancer take requests, and"
        " the pods see the addresses of the clients (externalTrafficPolicy: Local).",
    )

    @model_validator(mode="after")
    def _node_port(self) -> Self:
        if self.node_port is None:
            return self
        if self.type != "NodePort":
            raise Clash(
                self.clash("nodePort", "has no use without type: NodePort; write that, or leave it out")
            )
        if not 30000 <= self.node_port <= 32767:
            raise Clash(self.clash("nodePort", "not a port for nodes; write a number from 30000 to 32767"))
        return self


class BalancerClients(Model):
    """Who may come in, beside the pods with the access label: the NetworkPolicy."""

    namespaces: list[DnsLabel] = Field(
        default=[], description="Namespaces whose pods may come in, such as that of the Ingress controller."
    )
    addresses: list[Cidr] = Field(
        default=[],
        description="Blocks of addresses that may come in, such as those of a load balancer. For everybody,"
        " write the two halves 0.0.0.0/1 and 128.0.0.0/1.",
    )


class BalancerIngress(Model):
    """An Ingress for the hosts of the balancer."""

    class_name: DnsName | None = Field(
        default=None, description="The IngressClass. If not set: the cluster's default."
    )
    tls_secret: DnsName | None = Field(
        default=None, description="Secret with the certificate, for the Ingress controller."
    )
    annotations: Annotations = Field(default={}, description="Annotations of the Ingress.")


class BalancerRoute(Model):
    """An HTTPRoute of the Gateway API for the hosts of the balancer."""

    gateway: DnsName = Field(description="Name of the Gateway.")
    namespace: DnsLabel | None = Field(
        default=None, description="Namespace of the Gateway. If not set: the stack's own."
    )
    listener: DnsName | None = Field(
        default=None, description="The Gateway's listener (sectionName). If not set: all that fit."
    )


class Peers(Model):
    """The program that tells the state of the servers, since Nginx itself tells nobody."""

    image: Image | None = Field(
        default=None,
        json_schema_extra=PUSHED,
        description="If not set: `fwb up` builds the image for a sandbox, and its tag follows the sources.",
    )
    resources: Resources = resources_field("20m", "32Mi", "96Mi")


class Balancer(Model):
    """Nginx in front of the application's servers."""

    enabled: bool = Field(default=False, description="Whether the stack has a balancer.")
    image: NginxImage = Field(
        default="docker.io/library/nginx:1.30", description="Image of Nginx 1.22 or newer."
    )
    peers: Peers = Field(default=Peers(), description="What runs beside Nginx and gives /upstream_status.")
    replicas: Annotated[int, Field(ge=1, le=20)] = Field(default=2, description="Number of pods.")
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        default=2, description="Processes of Nginx in each pod."
    )
    hosts: Annotated[list[Host], Field(min_length=1)] = Field(
        default=["mincenter.kr"], description="Names of the site (server_name)."
    )
    any_host: bool = Field(
        default=False,
        description="The site answers whatever name it is asked by. Else only its hosts, localhost and the"
        " name of its Service are answered, and all others with 421.",
    )
    service: BalancerService = Field(default=BalancerService(), description="How users reach it.")
    clients: BalancerClients = Field(default=BalancerClients(), description="Who may reach the site.")
    admin_clients: BalancerClients = Field(
        default=BalancerClients(), description="Who may reach the administration."
    )
    status_clients: list[Cidr] = Field(
        default=["127.0.0.0/8", "::1/128"],
        description="Addresses of clients that may read /upstream_status on the site's port. The default"
        " is whoever forwards the port to their own machine.",
    )
    trusted_proxies: list[Cidr] = Field(
        default=[],
        description="Addresses of proxies in front of the balancer, such as a CDN or an Ingress controller."
        " What they say of the client (X-Forwarded-For, X-Forwarded-Proto) is believed.",
    )
    tls_secret: DnsName | None = Field(
        default=None,
        description="Secret with tls.crt and tls.key in the stack's namespace. With it the site and the"
        " administration are encrypted, and HTTP is redirected.",
    )
    ingress: BalancerIngress | None = Field(default=None, description="An Ingress in front of the Service.")
    route: BalancerRoute | None = Field(default=None, description="An HTTPRoute in front of the Service.")
    silence_seconds: Seconds = Field(
        default=10, description="How long a server may be silent before the next one is asked."
    )
    upload_silence_seconds: Seconds = Field(
        default=150, description="The same while a file is uploaded. An upload isn't sent to a second server."
    )
    log_ins_per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=60, description="Tries to log in from one address each minute. More are answered with 429."
    )
    log_ins_at_once: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20, description="Tries to log in that may come at once beyond this rate."
    )
    requests_at_once: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=500, description="Requests of one address at the same time. More are answered with 429."
    )
    drain_seconds: Annotated[int, Field(ge=1, le=300)] = Field(
        default=12, description="How long a pod that is to stop serves on, until nothing more is sent to it."
    )
    shutdown_seconds: Seconds = Field(
        default=120, description="How long requests may then take to end, such as large downloads."
    )
    resources: Resources = resources_field("100m", "64Mi", "256Mi")

    @model_validator(mode="after")
    def _one_front(self) -> Self:
        if self.ingress and self.route:
            raise Clash(self.clash("route", "ingress and route exclude each other; write only one of them"))
        if self.tls_secret and (self.ingress or self.route):
            raise Clash(
                self.clash(
                    "tlsSecret",
                    "an Ingress or a Gateway comes by HTTP and would only be redirected; leave it out, and"
                    " give the certificate to them",
                )
            )
        return self

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.enabled else iter(())
