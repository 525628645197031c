"""The parts of a stack's configuration, as types that check themselves; settings.py puts them together.

Pure: nothing here declares a resource or needs a cluster. A component takes its own part as an argument.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from components.values import (
    AbsolutePath,
    Bucket,
    Cpu,
    Cron,
    DnsLabel,
    DnsName,
    Endpoint,
    Image,
    Prefix,
    Quantity,
    RedisMemory,
    quantity_bytes,
    redis_bytes,
)

PLACEHOLDER = "SET-ME"  # what Pulumi.prd.yaml holds until its owner says which cluster and bucket are meant


class Model(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """Let `resources: {memoryLimit: 1Gi}` keep the other defaults of the place where it stands."""
        if not isinstance(given, dict):
            return given
        given = cast("dict[str, Any]", given)
        filled = dict(given)
        for name, field in cls.model_fields.items():
            key = field.alias or name
            if isinstance(field.default, BaseModel) and isinstance(given.get(key), dict):
                filled[key] = field.default.model_dump(by_alias=True) | given[key]
        return filled


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
            raise ValueError("needs one of the two; write either sandbox: NAME or context: NAME")
        if self.sandbox and self.kubeconfig:
            raise ValueError(
                "a sandbox has a kubeconfig of its own; leave kubeconfig out, or write context: NAME"
            )
        return self

    def kubeconfig_path(self) -> str | None:
        """The kubeconfig to use; None leaves it to the client's search. Same rule as filewallball.paths."""
        if self.sandbox:
            state = os.environ.get("FWB_STATE") or "/var/lib/filewallball"
            return str(Path(state) / "sandbox" / self.sandbox / "kubeconfig")
        return str(Path(self.kubeconfig).expanduser()) if self.kubeconfig else None


class Storage(Model):
    """A persistent volume: by a StorageClass, an existing one, or a folder of the node."""

    size: Quantity = Field(
        default="5Gi", description="May grow later where the StorageClass allows it; never shrinks."
    )
    storage_class: DnsName | None = Field(
        default=None, description="StorageClass; left out: the cluster's default."
    )
    volume_name: DnsName | None = Field(default=None, description="Bind to this existing PersistentVolume.")
    host_path: AbsolutePath | None = Field(
        default=None,
        description="Folder on the node, owned by uid 999; makes a static PersistentVolume of it.",
    )
    node: DnsName | None = Field(
        default=None,
        description="With hostPath: the node that has the folder, by its label kubernetes.io/hostname.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = {
            "storageClass": self.storage_class,
            "volumeName": self.volume_name,
            "hostPath": self.host_path,
        }
        given = [name for name, value in sources.items() if value is not None]
        if "hostPath" in given and len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other; write only one of them")
        if self.host_path and not self.node:
            raise ValueError(
                "hostPath without node: on another node the folder may be an empty one, and the server would"
                " start without its data; write node: NAME, as `kubectl get nodes -L kubernetes.io/hostname`"
                " shows it"
            )
        if self.node and not self.host_path:
            raise ValueError("node means nothing without hostPath; leave it out, or write hostPath: /FOLDER")
        return self


class Resources(Model):
    """What a container asks for and may use. There is no CPU limit: throttling costs latency for nothing."""

    cpu: Cpu = Field(default="100m", description="CPU requested.")
    memory: Quantity = Field(default="128Mi", description="Memory requested.")
    memory_limit: Quantity = Field(default="256Mi", description="Memory at which the container is stopped.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if quantity_bytes(self.memory) > quantity_bytes(self.memory_limit):
            raise ValueError(f"memory is more than memoryLimit; write a memoryLimit of {self.memory} or more")
        return self


def _resources(cpu: str, memory: str, limit: str) -> Any:
    return Field(
        Resources(cpu=cpu, memory=memory, memory_limit=limit), description="CPU and memory of the container."
    )


class Mariadb(Model):
    """The database."""

    image: Image = Field(default="docker.io/library/mariadb:10.11", description="MariaDB 10.11 image.")
    storage: Storage = Field(default=Storage(), description="Where the data lies.")
    buffer_pool: Quantity = Field(
        default="128Mi", description="InnoDB's page cache; at most 60% of the memory limit."
    )
    max_connections: Annotated[int, Field(ge=10, le=10000)] = Field(
        default=100, description="Connections at once."
    )
    binlog_days: Annotated[int, Field(ge=1, le=90)] = Field(
        default=7, description="Days that the binary log is kept."
    )
    resources: Resources = _resources("100m", "384Mi", "640Mi")

    @model_validator(mode="after")
    def _pool_fits(self) -> Self:
        pool, limit = quantity_bytes(self.buffer_pool), quantity_bytes(self.resources.memory_limit)
        if pool > 0.6 * limit:
            raise ValueError(
                f"bufferPool {self.buffer_pool} leaves too little of resources.memoryLimit"
                f" {self.resources.memory_limit} for connections; write a memoryLimit of"
                f" {pool * 10 // 6 // 2**20 + 1}Mi or more, or a smaller bufferPool"
            )
        return self


class Redis(Model):
    """The cache. It keeps nothing on disk: a restart empties it."""

    image: Image = Field(
        default="docker.io/library/redis:7.2-bookworm", description="Redis 7.0 to 7.4 image."
    )
    maxmemory: RedisMemory = Field(
        default="256mb", description="Memory for data; beyond it least recently used keys go."
    )
    resources: Resources = _resources("100m", "128Mi", "384Mi")

    @model_validator(mode="after")
    def _data_fits(self) -> Self:
        data, limit = redis_bytes(self.maxmemory), quantity_bytes(self.resources.memory_limit)
        needed = data * 5 // 4 + 32 * 2**20  # a quarter for fragmentation, 32 Mi for clients' buffers
        if limit < needed:
            raise ValueError(
                f"maxmemory {self.maxmemory} doesn't fit into resources.memoryLimit"
                f" {self.resources.memory_limit} with room for buffers and fragmentation; write a"
                f" memoryLimit of {-(-needed // 2**20)}Mi or more"
            )
        return self


class Store(Model):
    """Where backups go: a bucket of any S3 service, or one kept in the cluster (for development)."""

    in_cluster: bool = Field(
        default=False, description="Run an S3 server in the namespace, on a volume of its own."
    )
    bucket: Bucket | None = Field(
        default=None, description="Name of the bucket; in the cluster `filewallball-backups`."
    )
    endpoint: Endpoint | None = Field(default=None, description="URL of the S3 service; left out: AWS.")
    region: str = Field(default="us-east-1", description="Region of the bucket.")
    prefix: Prefix = Field(default="", description="What every object's key starts with; ends in /.")
    credentials_secret: DnsName | None = Field(
        default=None,
        description="Existing Secret with access-key and secret-key; left out: the ServiceAccount's role.",
    )
    image: Image = Field(
        default="ghcr.io/versity/versitygw:v1.8.0", description="S3 server, when in the cluster."
    )
    storage: Storage = Field(
        default=Storage(size="5Gi"), description="Volume of the S3 server, when in the cluster."
    )
    resources: Resources = _resources("50m", "64Mi", "256Mi")

    @field_validator("bucket", "region", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        if value == PLACEHOLDER:
            raise ValueError("has not been said yet; write that of an existing bucket")
        return value

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.in_cluster and (self.endpoint or self.credentials_secret):
            raise ValueError("a store in the cluster has its own endpoint and credentials; leave both out")
        if not self.in_cluster and not self.bucket:
            raise ValueError(
                "no bucket is named; write bucket: NAME of an existing bucket, or inCluster: true"
            )
        return self

    @property
    def bucket_name(self) -> str:
        return self.bucket or "filewallball-backups"


class Backup(Model):
    """The nightly backup of the database: dumped, restored on trial, uploaded."""

    schedule: Cron = Field(default="0 2 * * *", description="When, as cron writes it, in timeZone.")
    max_age_hours: Annotated[int, Field(ge=1, le=24 * 31)] = Field(
        default=26, description="The newest verified backup must be younger than this, or the checks fail."
    )
    work_size: Quantity = Field(default="2Gi", description="Room on the node for dump and trial restore.")
    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=120, description="A longer run is stopped."
    )
    resources: Resources = _resources("100m", "256Mi", "768Mi")
    service_account_annotations: dict[str, str] = Field(
        default={},
        description="On the ServiceAccount; eks.amazonaws.com/role-arn names a role that may write there.",
    )
    store: Store = Field(description="Where backups go.")


class Toolkit(Model):
    """The image of this repository's own tools, which backups and checks run in."""

    image: Image | None = Field(
        default=None,
        description="Left out: named after this checkout's sources, and built by `fwb up` for a sandbox.",
    )


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
    service_account_annotations: dict[str, str] = Field(
        default={},
        description="On the ServiceAccount; eks.amazonaws.com/role-arn names a role that may read there.",
    )
    database_latency_ms: Annotated[float, Field(gt=0)] = Field(
        default=50, description="p99 of a query, in milliseconds."
    )
