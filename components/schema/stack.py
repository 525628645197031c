"""Where a stack lives, which tools it runs, and which limits its checks hold it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from components.faults import Clash
from components.schema.base import Model, to_set
from components.values import Annotations, Cidr, DnsLabel, Image, Port
from facts.machine import sandbox_kubeconfig
from facts.placeholder import PLACEHOLDER

PUSHED = to_set("the reference that `fwb images push REGISTRY/PREFIX` prints", "")


class Dns(Model):
    """Where pods may ask for names (their NetworkPolicy). The defaults fit the common clusters."""

    namespaces: Annotated[list[DnsLabel], Field(min_length=1)] = Field(
        default=["kube-system", "openshift-dns"],
        description="Namespaces in which the cluster's DNS pods run.",
    )
    ports: Annotated[list[Port], Field(min_length=1)] = Field(
        default=[53, 5353],
        description="Ports of the DNS pods. They may differ from the ports of the DNS Service.",
    )
    addresses: list[Cidr] = Field(
        default=["169.254.0.0/16"],
        description="Blocks of addresses at which DNS also answers. The default is where NodeLocal DNSCache"
        " usually is. If it uses the address of the DNS Service, add that address, such as"
        " 10.96.0.10/32.",
    )


class Cluster(Model):
    """The cluster of the stack. Set sandbox or context, and only one of them."""

    sandbox: DnsLabel | None = Field(
        default=None, description="Name of a sandbox on this machine, made by `fwb sandbox up --name`."
    )
    context: str | None = Field(
        default=None,
        description="Context of a kubeconfig, as `kubectl config get-contexts` names it.",
        json_schema_extra=to_set(
            "one of the names that `kubectl config get-contexts -o name` prints", PLACEHOLDER
        ),
    )
    kubeconfig: str | None = Field(
        default=None,
        description="Path of the kubeconfig. If not set, as with kubectl: $KUBECONFIG, or else"
        " ~/.kube/config.",
    )

    dns: Dns = Field(default=Dns(), description="Where pods resolve names.")
    api_server_ports: Annotated[list[Port], Field(min_length=1)] = Field(
        default=[443, 6443, 8443, 16443],
        description="Ports at which the checks may reach the API server. These are the ports of its own"
        " process: a NetworkPolicy doesn't see port 443 of its Service.",
    )

    @field_validator("context")
    @classmethod
    def _is_set(cls, context: str | None) -> str | None:
        if context is not None and not context.strip():
            raise ValueError(
                "names no cluster; write one of the names that `kubectl config get-contexts -o name` prints"
            )
        return context

    @field_validator("kubeconfig")
    @classmethod
    def _is_path(cls, path: str | None) -> str | None:
        if path is not None and (not path.strip() or not path.isprintable()):
            raise ValueError("names no file; write a path such as ~/.kube/config, or leave it out")
        return path

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.sandbox is None) == (self.context is None):
            raise Clash(
                self.clash(
                    "context",
                    "a stack has either a context or a sandbox; write cluster.context: NAME or"
                    " cluster.sandbox: NAME, and only one of them",
                )
            )
        if self.sandbox and self.kubeconfig:
            raise Clash(
                self.clash(
                    "kubeconfig",
                    "a sandbox has a kubeconfig of its own; leave it out, or write context: NAME in place of"
                    " sandbox",
                )
            )
        return self

    def kubeconfig_path(self) -> str | None:
        """The kubeconfig to use; None leaves it to the client's search."""
        if self.sandbox:
            return str(sandbox_kubeconfig(self.sandbox))
        return str(Path(self.kubeconfig).expanduser()) if self.kubeconfig else None


class Toolkit(Model):
    """The image of this repository's own tools. Backups and checks run in it."""

    image: Image | None = Field(
        default=None,
        json_schema_extra=PUSHED,
        description="If not set: `fwb up` builds the image for a sandbox, and its tag follows the sources.",
    )


class Agent(Model):
    """The image of the programs beside the servers. When it changes, the session servers restart."""

    image: Image | None = Field(
        default=None,
        json_schema_extra=PUSHED,
        description="If not set: `toolkit.image`, and then each change of the toolkit restarts the session"
        " servers. If that is not set either: `fwb up` builds the image, and its tag follows the"
        " sources.",
    )

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.image else iter(())


class Checks(Model):
    """Limits for the smoke checks."""

    cache_latency_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        default=10, description="Largest 99th percentile (p99) of the cache's answer times, in milliseconds."
    )
    cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.8, description="Smallest share of reads that find their key in the cache."
    )
    cache_memory: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="Largest share of maxmemory in use."
    )
    service_account_annotations: Annotations = Field(
        default={},
        description="Annotations of the ServiceAccount. eks.amazonaws.com/role-arn names a role that may"
        " read the store.",
    )
    database_latency_ms: Annotated[float, Field(gt=0, le=60_000)] = Field(
        default=50, description="Largest 99th percentile (p99) of the times of queries, in milliseconds."
    )
