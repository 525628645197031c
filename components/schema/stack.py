"""Where a stack lives, which tools it runs, and which limits its checks hold it to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from components.faults import Clash
from components.schema.base import PLACEHOLDER, Model
from components.values import Annotations, Cidr, DnsLabel, Image, Port
from facts.machine import sandbox_kubeconfig


class Dns(Model):
    """Where pods ask for names: what their NetworkPolicy opens. The defaults fit the common clusters."""

    namespaces: Annotated[list[DnsLabel], Field(min_length=1)] = Field(
        default=["kube-system", "openshift-dns"], description="Namespaces in which the cluster's DNS runs."
    )
    ports: Annotated[list[Port], Field(min_length=1)] = Field(
        default=[53, 5353], description="Ports of the DNS pods, which need not be those of their Service."
    )
    addresses: list[Cidr] = Field(
        default=["169.254.0.0/16"],
        description="Blocks of addresses that answer beside these pods. The default holds NodeLocal DNSCache"
        " at its usual addresses; where it answers on the DNS Service's own, add that one, such as"
        " 10.96.0.10/32.",
    )


class Cluster(Model):
    """Which cluster the stack lives on: a sandbox on this machine, or a context of a kubeconfig."""

    sandbox: DnsLabel | None = Field(
        default=None, description="Name of an embedded cluster, made by `fwb sandbox up --name`."
    )
    context: str | None = Field(
        default=None, description="Context of a kubeconfig, as `kubectl config get-contexts` names it."
    )
    kubeconfig: str | None = Field(
        default=None,
        description="Path of the kubeconfig; the default is kubectl's own: $KUBECONFIG, then ~/.kube/config.",
    )

    dns: Dns = Field(default=Dns(), description="Where pods ask for names.")
    api_server_ports: Annotated[list[Port], Field(min_length=1)] = Field(
        default=[443, 6443, 8443, 16443],
        description="Ports at which the checks may reach the API server: those of its own process, which a"
        " NetworkPolicy sees in place of the Service's 443.",
    )

    @field_validator("context")
    @classmethod
    def _is_set(cls, context: str | None) -> str | None:
        if context in ("", PLACEHOLDER):
            raise ValueError(
                "the cluster of this stack has not been named yet; write one of the names that"
                " `kubectl config get-contexts -o name` prints"
            )
        return context

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
    """The image of this repository's own tools, which backups and checks run in."""

    image: Image | None = Field(
        default=None,
        description="Left out: named after this checkout's sources, and built by `fwb up` for a sandbox.",
    )


class Agent(Model):
    """The image of what runs beside the servers. A change of it restarts the session servers."""

    image: Image | None = Field(
        default=None,
        description="Left out: `toolkit.image`, and then every change of that restarts the session servers;"
        " where that is left out too: named after this checkout's sources, and built by `fwb up`.",
    )

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.image else iter(())


class Checks(Model):
    """Limits that the smoke checks hold the stack to."""

    cache_latency_ms: Annotated[float, Field(gt=0)] = Field(
        default=10, description="p99 of the cache, in milliseconds."
    )
    cache_hit_rate: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.8, description="Least share of reads served."
    )
    cache_memory: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.8, description="Largest share of maxmemory in use."
    )
    service_account_annotations: Annotations = Field(
        default={},
        description="On the ServiceAccount; eks.amazonaws.com/role-arn names a role that may read there.",
    )
    database_latency_ms: Annotated[float, Field(gt=0)] = Field(
        default=50, description="p99 of a query, in milliseconds."
    )
