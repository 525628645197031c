"""The nightly backup of the database, and where it goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.faults import Clash
from components.schema.aws import Aws
from components.schema.base import Model, Resources, Storage, resources_field, to_set
from components.schema.recipients import Encrypted
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
from facts.app import FILES
from facts.backup import KEEP_DAYS, RATE

_ELSEWHERE = "the bucket that the stack makes at aws needs none; leave it out, or leave aws out"
_OF_THE_STACK = {
    "inCluster": "a store in the cluster and a bucket at aws exclude each other; write only one of the two",
    "bucket": "an existing bucket and one that the stack makes exclude each other; write aws.bucket, or leave"
    " aws out",
    "region": "the bucket that the stack makes has its own; write aws.region, or leave aws out",
}
StoreImage = Annotated[str, image_of("versitygw", "versitygw", r"1\.([89]|\d\d)", "v1.8.0")]


class CaBundle(Model):
    """Certificates (PEM) of the authority that signed the store's certificate."""

    config_map: DnsName | None = Field(
        default=None, description="Existing ConfigMap that holds them. Set this or secret."
    )
    secret: DnsName | None = Field(
        default=None, description="Existing Secret that holds them. Set this or configMap."
    )
    key: DataKey = Field(default="ca.crt", description="Key in the ConfigMap or Secret.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.config_map is None) == (self.secret is None):
            how = "both are named" if self.secret else "neither is named"
            raise Clash(
                self.clash("configMap", f"{how}; write configMap or secret, with the name of an existing one")
            )
        return self


class Store(Model):
    """Where backups are stored: one of `inCluster`, an existing `bucket`, or the stack's own at `aws`."""

    in_cluster: bool = Field(
        default=False, description="Run an S3 server in the namespace, with its own volume."
    )
    bucket: Bucket | None = Field(
        default=None,
        description="Name of an existing bucket. With inCluster the default is `filewallball-backups`.",
        json_schema_extra=to_set("the name of an existing bucket", "set-me"),
    )
    aws: Aws | None = Field(
        default=None, description="Make a bucket at AWS, and a role for each account that uses it."
    )
    endpoint: Endpoint | None = Field(default=None, description="URL of the S3 service. If not set: AWS.")
    region: Region = Field(
        default="us-east-1",
        description="Region of the bucket.",
        json_schema_extra=to_set("that of the bucket, such as eu-central-1", "set-me"),
    )
    prefix: Prefix = Field(default="", description="Text that every object's key begins with. It ends in /.")
    credentials_secret: DnsName | None = Field(
        default=None,
        description="Existing Secret with the keys access-key and secret-key. If not set: the role of the"
        " ServiceAccount is used.",
    )
    session_token_key: DataKey | None = Field(
        default=None,
        description="Key in that Secret with the session token of temporary credentials. If not set: no"
        " token is sent.",
    )
    ca: CaBundle | None = Field(
        default=None,
        description="Certificates of a private authority. If not set: only public authorities are trusted.",
    )
    addressing: Literal["path", "virtual"] | None = Field(
        default=None,
        description="Where the URL has the bucket's name: path (HOST/BUCKET) or virtual (BUCKET.HOST). If"
        " not set: path if an endpoint is set, else boto3's own choice.",
    )
    image: StoreImage = Field(
        default="ghcr.io/versity/versitygw:v1.8.0", description="Image of the S3 server in the cluster."
    )
    storage: Storage = Field(
        default=Storage(size="5Gi"), description="Volume of the S3 server in the cluster."
    )
    resources: Resources = resources_field("50m", "64Mi", "256Mi")

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if self.aws:
            aliases = {name: field.alias or name for name, field in type(self).model_fields.items()}
            said = [aliases[name] for name in type(self).model_fields if name in self.model_fields_set]
            foreign = [name for name in said if name not in ("aws", "prefix") and self.at(name)]
            if foreign:
                raise Clash(*(self.clash(name, _OF_THE_STACK.get(name, _ELSEWHERE)) for name in foreign))
        return self

    @model_validator(mode="after")
    def _place(self) -> Self:
        if self.aws:
            return self
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
                    "no bucket is named; write the name of an existing bucket, or aws: with keys below it, or"
                    " inCluster: true",
                )
            )
        return self

    def images(self, path: str = "") -> Iterator[tuple[str, str | None]]:
        return super().images(path) if self.in_cluster else iter(())

    @property
    def bucket_name(self) -> str:
        """The bucket, whoever makes it."""
        return self.aws.bucket if self.aws else self.bucket or "filewallball-backups"

    @property
    def files_bucket(self) -> str | None:
        """The bucket of an application's files, where the stack makes that, too, and has no name for it."""
        if self.aws:
            return f"{self.aws.bucket[:57].rstrip('.-')}-files"
        return FILES if self.in_cluster else None

    @property
    def bucket_region(self) -> str:
        """Its region."""
        return self.aws.region if self.aws else self.region


class PointInTime(Model):
    """The binary log goes to the store all the time: every second since the oldest backup can come back."""

    enabled: bool = Field(default=True, description="Ship the binary log.")
    every_seconds: Annotated[int, Field(ge=1, le=30)] = Field(
        default=10,
        description="Seconds between two looks at the log. At most so much, and what an upload takes, can be"
        " lost.",
    )
    resources: Resources = resources_field("20m", "96Mi", "512Mi")


class Backup(Scheduled):
    """The nightly backup of the database. Each backup is restored and compared before it is uploaded."""

    schedule: Cron = Field(
        default="0 2 * * *",
        description="When the backup runs, in timeZone: five fields as in cron, or a name like @daily.",
    )
    max_age_hours: MaxAge = Field(
        default=26, description="The checks fail if the newest verified backup is older than this."
    )
    keep_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        default=KEEP_DAYS,
        description="Days after which a backup is removed. The newest verified one, and the newest of any"
        " verdict, stay.",
    )
    work_size: Quantity = Field(
        default="2Gi", description="Disk space on the node for the dump and the trial restore together."
    )
    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=120, description="A run that takes longer is stopped."
    )
    rate: Quantity = Field(
        default=RATE,
        description="SQL that is read from the database in a second, at most. Applications notice less"
        " of a lower rate. A database that would take more than half of deadlineMinutes is read faster.",
    )
    compression: Literal["gzip", "zstd"] = Field(
        default="gzip",
        description="How backups are compressed. gunzip reads gzip; zstd packs faster and smaller.",
    )
    encryption: Encrypted | None = Field(
        default=None,
        description="Encrypt backups and the binary log before they leave the cluster. If not set: they are"
        " not encrypted.",
    )
    # A quarter of the server's: where both want the processor, the server goes first.
    resources: Resources = resources_field("25m", "256Mi", "768Mi")
    service_account_annotations: Annotations = Field(
        default={},
        description="Annotations of the ServiceAccount. eks.amazonaws.com/role-arn names a role that may"
        " write to the store.",
    )
    point_in_time: PointInTime = Field(
        default=PointInTime(), description="Restoring a moment between two backups."
    )
    store: Store = Field(description="Where backups are stored.")

    @property
    def recipients(self) -> list[str]:
        """The public keys for which all is encrypted that goes to the store; none: nothing is."""
        return self.encryption.recipients if self.encryption else []
