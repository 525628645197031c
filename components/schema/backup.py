"""The nightly backup of the database, and where it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.faults import Clash
from components.schema.base import PLACEHOLDER, Model, Resources, Storage, resources_field
from components.schema.schedules import MaxAge, Scheduled
from components.values import (
    Annotations,
    Bucket,
    Cron,
    DataKey,
    DnsName,
    Endpoint,
    Prefix,
    Quantity,
    Region,
    image_of,
)

StoreImage = Annotated[str, image_of("versitygw", "versitygw", r"1\.([89]|\d\d)", "v1.8.0")]


class CaBundle(Model):
    """Certificates of the authority that signed the store's own, in PEM form."""

    config_map: DnsName | None = Field(default=None, description="Existing ConfigMap that holds them.")
    secret: DnsName | None = Field(default=None, description="Existing Secret that holds them.")
    key: DataKey = Field(default="ca.crt", description="Key of the ConfigMap or Secret.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.config_map is None) == (self.secret is None):
            how = "both are named" if self.secret else "neither is named"
            raise Clash(
                self.clash(
                    "configMap", f"{how}; write one of configMap and secret, with the name of an existing one"
                )
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
    region: Region = Field(default="us-east-1", description="Region of the bucket.")
    prefix: Prefix = Field(default="", description="What every object's key starts with; ends in /.")
    credentials_secret: DnsName | None = Field(
        default=None,
        description="Existing Secret with access-key and secret-key; left out: the ServiceAccount's role.",
    )
    session_token_key: DataKey | None = Field(
        default=None,
        description="Key in that Secret with the session token of temporary credentials; left out: none.",
    )
    ca: CaBundle | None = Field(
        default=None, description="Where the certificate of a private authority is; left out: public ones."
    )
    addressing: Literal["path", "virtual"] | None = Field(
        default=None,
        description="Where the bucket's name stands: path (HOST/BUCKET) or virtual (BUCKET.HOST); left out:"
        " path where an endpoint is set.",
    )
    image: StoreImage = Field(
        default="ghcr.io/versity/versitygw:v1.8.0", description="S3 server, when in the cluster."
    )
    storage: Storage = Field(
        default=Storage(size="5Gi"), description="Volume of the S3 server, when in the cluster."
    )
    resources: Resources = resources_field("50m", "64Mi", "256Mi")

    @field_validator("bucket", "region", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        if value == PLACEHOLDER:
            raise ValueError("has not been said yet; write that of an existing bucket")
        return value

    @model_validator(mode="after")
    def _place(self) -> Self:
        own = "a store in the cluster has its own; leave it out, or write inCluster: false"
        others = ("endpoint", "credentialsSecret", "sessionTokenKey", "ca", "addressing")
        foreign = [name for name in others if self.in_cluster and self.at(name)]
        if foreign:
            raise Clash(*(self.clash(name, own) for name in foreign))
        if self.session_token_key and not self.credentials_secret:
            raise Clash(
                self.clash("sessionTokenKey", "its Secret is not named; write credentialsSecret beside it")
            )
        if self.ca and (self.endpoint or "").startswith("http:"):
            raise Clash(
                self.clash(
                    "ca", "the endpoint is http:, which has no certificate; write https:, or leave this out"
                )
            )
        if not self.in_cluster and not self.bucket:
            raise Clash(
                self.clash(
                    "bucket",
                    "no bucket is named; write the name of an existing bucket, or inCluster: true beside it",
                )
            )
        return self

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.in_cluster else iter(())

    @property
    def bucket_name(self) -> str:
        return self.bucket or "filewallball-backups"


class Backup(Scheduled):
    """The nightly backup of the database: dumped, restored on trial, uploaded."""

    schedule: Cron = Field(default="0 2 * * *", description="When, as cron writes it, in timeZone.")
    max_age_hours: MaxAge = Field(
        default=26, description="The newest verified backup must be younger than this, or the checks fail."
    )
    work_size: Quantity = Field(default="2Gi", description="Room on the node for dump and trial restore.")
    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=120, description="A longer run is stopped."
    )
    resources: Resources = resources_field("100m", "256Mi", "768Mi")
    service_account_annotations: Annotations = Field(
        default={},
        description="On the ServiceAccount; eks.amazonaws.com/role-arn names a role that may write there.",
    )
    store: Store = Field(description="Where backups go.")
