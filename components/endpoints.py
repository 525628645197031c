"""What one component needs to know of another to use it, and what has to be up before it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pulumi

from components import rights, schema
from components.described import ConfigFiles, Mounted, SecretFiles
from components.kube import labels
from components.schema.aws import ROLE_ANNOTATION
from facts import backup, snapshots, store
from facts.checks.backups import StoreTarget
from facts.pods import secret_file
from facts.tls import CA_FILE, Variables

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(store.LEASE, "backup")
_CA_VOLUME = "store-ca"


@dataclass(frozen=True)
class Encryption:
    """Encrypted connections. `issue`: the Job that makes a server's certificate, once its Services are there.

    `files`: what a client needs to know the servers by.
    """

    issue: Callable[[str, Sequence[pulumi.Resource]], pulumi.Resource]
    files: tuple[Mounted, ...]


def certificate(
    tls: Encryption | None, server: str, services: Sequence[pulumi.Resource]
) -> list[pulumi.Resource]:
    """What a server waits for before it starts; nothing where connections are plain."""
    return [tls.issue(server, services)] if tls else []


@dataclass(frozen=True)
class Database:
    """A database on a server, with one user of it. `access`: whose label opens the port."""

    host: str
    port: int
    access: str
    name: str
    user: str
    secret: str
    key: str
    server: pulumi.Resource
    tls: Encryption | None = None


@dataclass(frozen=True)
class Cache:
    """The cache, with one user of it. `access`: whose label opens the port."""

    host: str
    port: int
    access: str
    user: str
    secret: str
    key: str
    server: pulumi.Resource
    tls: Encryption | None = None


@dataclass(frozen=True)
class SessionSet:
    """The session servers: their Sentinels as `host:port`, and what each of them runs.

    `access`: whose label opens the ports of both.
    """

    sentinels: Sequence[str]
    master: str
    access: str
    secret: str
    image: str
    resources: schema.Resources
    server: pulumi.Resource
    tls: Encryption | None = None


@dataclass(frozen=True)
class Bucket:
    """A bucket of an S3 service, in the cluster or elsewhere. No `endpoint`: AWS. No `secret`: the role's.

    `server` is what runs it in the cluster, `made` what makes it elsewhere. `roles`: ServiceAccount → the
    ARN of its role.
    """

    endpoint: str | None
    region: str
    bucket: str
    prefix: str
    secret: str | None
    server: pulumi.Resource | None = None
    token_key: str | None = None
    """The Secret's key with the session token of temporary credentials."""
    ca: schema.CaBundle | None = None
    addressing: str | None = None
    made: pulumi.Resource | None = None
    roles: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def may_lack_guard(self) -> bool:
        """Whether the store may be one that can't keep two writers apart: neither AWS nor the stack's own."""
        return self.endpoint is not None and self.server is None

    def below(self, folder: str) -> Bucket:
        """The same bucket, with keys that start with the folder as well."""
        return replace(self, prefix=self.prefix + folder)

    def beside(self, bucket: str, secret: str | None) -> Bucket:
        """Another bucket of the same service, with another Secret or role."""
        return replace(self, bucket=bucket, prefix="", secret=secret, token_key=None, roles={})

    def needed(self) -> list[pulumi.Resource]:
        """What has to be up before the store is used."""
        return [each for each in (self.server, self.made) if each]

    def annotations(self, account: str) -> dict[str, str]:
        """What gives a ServiceAccount its role, if it has one."""
        return {ROLE_ANNOTATION: self.roles[account]} if account in self.roles else {}

    def files(self) -> tuple[Mounted, ...]:
        """The keys and certificates that a pod needs."""
        theirs = self.server is None
        keys = (SecretFiles("store", self.secret, optional=theirs),) if self.secret else ()
        return (*keys, *self._certificates())

    def _certificates(self) -> tuple[Mounted, ...]:
        if self.ca and self.ca.secret:
            return (SecretFiles(_CA_VOLUME, self.ca.secret, (self.ca.key,), store.CA_PATH, optional=True),)
        if self.ca and self.ca.config_map:
            return (ConfigFiles(_CA_VOLUME, self.ca.config_map, store.CA_PATH, optional=True),)
        return ()

    def access(self) -> tuple[str, ...]:
        """The servers whose label a pod that writes carries."""
        return (store.NAME, *(["kubernetes"] if self.may_lack_guard else []))

    def place(self) -> dict[str, str]:
        """What a pod is told of where its objects lie."""
        return {
            store.Variables.BUCKET: self.bucket,
            store.Variables.PREFIX: self.prefix,
            store.Variables.REGION: self.region,
        }

    def way(self) -> dict[str, str]:
        """What a pod is told of how to get there."""
        told, names = self.target(), store.Variables
        values = {
            names.ENDPOINT: told.endpoint,
            names.ACCESS_KEY_FILE: told.access_key_file,
            names.SECRET_KEY_FILE: told.secret_key_file,
            names.SESSION_TOKEN_FILE: told.session_token_file,
            names.CA_FILE: told.ca_file,
            names.ADDRESSING: told.addressing,
            names.LEASE: store.LEASE if self.may_lack_guard else None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def target(self) -> StoreTarget:
        """What the checks are told of it."""
        secret, token = self.secret, self.token_key
        return StoreTarget(
            endpoint=self.endpoint,
            region=self.region,
            bucket=self.bucket,
            prefix=self.prefix,
            access_key_file=secret_file(secret, store.ACCESS_KEY) if secret else None,
            secret_key_file=secret_file(secret, store.SECRET_KEY) if secret else None,
            session_token_file=secret_file(secret, token) if secret and token else None,
            ca_file=f"{store.CA_PATH}/{self.ca.key}" if self.ca else None,
            addressing=self.addressing,
        )


def trusted(tls: Encryption | None) -> tuple[tuple[Mounted, ...], dict[str, str]]:
    """Files that a client needs to trust the servers, and what its environment says of them."""
    return (tls.files, {Variables.CA_FILE: CA_FILE}) if tls else ((), {})


def lease_rights(namespace: pulumi.Input[str]) -> dict[str, kinds.Manifest]:
    """What lets the jobs that write into a store take turns, where it can't keep them apart itself."""
    any_lease: kinds.PolicyRule = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["create"],  # a create can't be held to a name
    }
    this_one: kinds.PolicyRule = {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "update", "delete"],
        "resourceNames": [store.LEASE],
    }
    return {
        "role": rights.role(store.LEASE, namespace, _LABELS, [any_lease, this_one]),
        "binding": rights.binding(store.LEASE, namespace, _LABELS, [backup.NAME, snapshots.NAME]),
    }


def dumped(database: Database, recipients: Sequence[str]) -> dict[str, str]:
    """What is told to whoever keeps copies of the database: where it is, and whom to encrypt them for."""
    names = backup.Variables
    return {
        names.HOST: database.host,
        names.PORT: str(database.port),
        names.DATABASE: database.name,
        names.USER: database.user,
        names.PASSWORD_FILE: secret_file(database.secret, database.key),
        **({names.RECIPIENTS: "\n".join(recipients)} if recipients else {}),
    }
