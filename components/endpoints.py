"""What one component needs to know of another to use it, and what has to be up before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pulumi

from components import schema
from components.described import SecretFiles
from facts import store
from facts.checks.backups import StoreTarget
from facts.pods import secret_file


@dataclass(frozen=True)
class Database:
    """A database on a server, with one user of it."""

    host: str
    port: int
    name: str
    user: str
    secret: str
    key: str
    server: pulumi.Resource


@dataclass(frozen=True)
class SessionSet:
    """The session servers: their Sentinels as `host:port`, and what each of them runs."""

    sentinels: Sequence[str]
    master: str
    secret: str
    image: str
    resources: schema.Resources
    server: pulumi.Resource


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 service, in the cluster or elsewhere. No `endpoint`: AWS. No `secret`: the role's.

    `server` is what runs it in the cluster.
    """

    endpoint: str | None
    region: str
    bucket: str
    prefix: str
    secret: str | None
    server: pulumi.Resource | None = None

    def below(self, folder: str) -> Bucket:
        """The same bucket, with keys that start with the folder as well."""
        return replace(self, prefix=self.prefix + folder)

    def needed(self) -> list[pulumi.Resource]:
        """What has to be up before the store is used."""
        return [self.server] if self.server else []

    def files(self) -> tuple[SecretFiles, ...]:
        """The keys that a pod needs."""
        return (SecretFiles("store", self.secret),) if self.secret else ()

    def place(self) -> dict[str, str]:
        """What a pod is told of where its objects lie."""
        return {
            store.Variables.BUCKET: self.bucket,
            store.Variables.PREFIX: self.prefix,
            store.Variables.REGION: self.region,
        }

    def way(self) -> dict[str, str]:
        """What a pod is told of how to get there."""
        told: dict[str, str] = {}
        if self.endpoint:
            told[store.Variables.ENDPOINT] = self.endpoint
        if self.secret:
            told[store.Variables.ACCESS_KEY_FILE] = secret_file(self.secret, store.ACCESS_KEY)
            told[store.Variables.SECRET_KEY_FILE] = secret_file(self.secret, store.SECRET_KEY)
        return told

    def target(self) -> StoreTarget:
        """What the checks are told of it."""
        return StoreTarget(
            endpoint=self.endpoint,
            region=self.region,
            bucket=self.bucket,
            prefix=self.prefix,
            access_key_file=secret_file(self.secret, store.ACCESS_KEY) if self.secret else None,
            secret_key_file=secret_file(self.secret, store.SECRET_KEY) if self.secret else None,
        )
