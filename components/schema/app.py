"""The application: how many servers, and where the users' files are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from components.schema.base import Model, Resources, resources_field
from components.schema.stack import PUSHED
from components.values import Annotations, Bucket, Cidr, DnsName, Image

_PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]


class Files(Model):
    """The bucket of the users' files. It is at the same S3 service as the backups, which are in another."""

    bucket: Bucket | None = Field(
        default=None,
        description="Name of the bucket. If not set: filewallball-files if backup.store.inCluster is set, and"
        " the name of backup.store.aws.bucket with -files if that is set. Required if backup.store.bucket is"
        " set.",
    )
    credentials_secret: DnsName | None = Field(
        default=None,
        description="Existing Secret with the keys access-key and secret-key, for a bucket that the stack"
        " doesn't make. They must not open the bucket of the backups. If not set: the role of the"
        " ServiceAccount is used.",
    )


class App(Model):
    """The sample application, a wall of files. Without it, the stack is for applications of your own."""

    enabled: bool = Field(default=False, description="Run the application.")
    replicas: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3, description="Number of servers. It can change in a running stack, without an outage."
    )
    image: Image | None = Field(
        default=None,
        json_schema_extra=PUSHED,
        description="Image of the application. If not set: `fwb up` builds the image for a sandbox, and its"
        " tag follows the sources.",
    )
    max_upload_bytes: Annotated[int, Field(ge=1, le=64 * 2**30)] = Field(
        default=2 * 2**30, description="Size of the largest file that can be uploaded, in bytes."
    )
    secure_cookie: bool = Field(
        default=True,
        description="Browsers send the session's cookie over HTTPS alone. Write false only where users come"
        " by plain HTTP, as in a sandbox.",
    )
    trusted_proxies: list[Cidr] = Field(
        default=_PRIVATE,
        description="Blocks of addresses of the balancer's pods. What they say of a request's origin is"
        " believed. NetworkPolicies let nobody else in.",
    )
    drain_seconds: Annotated[int, Field(ge=1, le=60)] = Field(
        default=5,
        description="Seconds in which a server that is to stop still takes requests, until all balancers"
        " know of it.",
    )
    stop_seconds: Annotated[int, Field(ge=10, le=3600)] = Field(
        default=120,
        description="Seconds after that for uploads and downloads that still run. Then they are cut off.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="What the servers write to their logs: this, and what is more urgent."
    )
    spread_over_zones: bool = Field(
        default=False,
        description="Spread servers evenly over zones, and start none where that fails: nodes need the label"
        " topology.kubernetes.io/zone. Else zones are preferred where there are some.",
    )
    resources: Resources = resources_field("100m", "128Mi", "512Mi")
    service_account_annotations: Annotations = Field(
        default={},
        description="Annotations of the ServiceAccount. eks.amazonaws.com/role-arn names a role that may"
        " write to the bucket of the files.",
    )
    files: Files = Field(default=Files(), description="The users' files.")

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.enabled else iter(())
