"""What the backup job reads from its environment, checked all together before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facts import store, tls
from facts.backup import COMPRESSIONS, KEEP_DAYS, Variables
from filewallball.backup.environment import Reader
from filewallball.backup.packed import Packing

DAY = 24 * 3600
"""Seconds that a job may take, where nothing is told."""


@dataclass(frozen=True)
class DatabaseSettings:
    """The server and the one database that is backed up.

    `ca_file`: the authority of encrypted connections. `socket`: that of a server on this machine, which then
    is used in place of host and port.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    ca_file: str | None = None
    socket: str | None = None


@dataclass(frozen=True)
class StoreSettings:
    """An S3 bucket. Without `endpoint` it is AWS; without keys boto3 looks for credentials by itself.

    `session_token` belongs to temporary keys. `ca_file`: certificates in PEM form, in place of the public
    ones. `addressing`: where the bucket's name goes, `path` or `virtual`. `lease`: the Lease that keeps
    writers apart where the store can't.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    addressing: str | None = None
    lease: str | None = None

    @property
    def where(self) -> str:
        """The place in words, for messages."""
        return f"s3://{self.bucket}/{self.prefix} at {self.endpoint or 'AWS'}"


@dataclass(frozen=True)
class Settings:
    """Everything that one backup needs. `work_size` is the work directory's limit in bytes, if it has one.

    `keep_days`: the age at which a backup is removed. `rate`: bytes of SQL that are read a second, at most;
    None: as fast as can be. `deadline_seconds`: when the job is ended from outside. `allow_empty`: a database
    without a row is backed up even if the last backup had rows.
    """

    database: DatabaseSettings
    store: StoreSettings
    work_dir: Path
    work_size: int | None
    keep_days: int = KEEP_DAYS
    packing: Packing = field(default_factory=Packing)
    rate: int | None = None
    deadline_seconds: int = DAY
    allow_empty: bool = False


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings of `filewallball.backup run`. Raises ConfigError that names all that is wrong."""
    read = Reader(environment)
    settings = Settings(
        database=read_database(read),
        store=read_store(read),
        work_dir=read.directory(Variables.WORK_DIR),
        work_size=read.size(Variables.WORK_SIZE),
        keep_days=read.count(Variables.KEEP_DAYS, KEEP_DAYS),
        packing=Packing(
            read.choice(Variables.COMPRESSION, COMPRESSIONS) or COMPRESSIONS[0],
            read.recipients(Variables.RECIPIENTS),
        ),
        rate=read.size(Variables.RATE),
        deadline_seconds=read.count(Variables.DEADLINE_SECONDS, DAY),
    )
    read.finish()
    return settings


def read_database(read: Reader) -> DatabaseSettings:
    """The database's part; what is wrong with it is kept in `read`."""
    return DatabaseSettings(
        host=read.text(Variables.HOST),
        port=read.port(Variables.PORT),
        name=read.text(Variables.DATABASE),
        user=read.text(Variables.USER),
        password=read.secret(Variables.PASSWORD_FILE) or "",
        ca_file=read.file(tls.Variables.CA_FILE),
    )


def store_from_environment(environment: Mapping[str, str]) -> StoreSettings:
    """The store's part alone, for `filewallball.backup list`. Raises ConfigError like `from_environment`."""
    read = Reader(environment)
    settings = read_store(read)
    read.finish()
    return settings


def keeping_from_environment(environment: Mapping[str, str]) -> tuple[StoreSettings, int]:
    """The store and the days that a backup is kept, for `filewallball.backup prune`. Raises ConfigError."""
    read = Reader(environment)
    found = read_store(read), read.count(Variables.KEEP_DAYS, KEEP_DAYS)
    read.finish()
    return found


@dataclass(frozen=True)
class VerifySettings:
    """What `filewallball.backup verify` needs. `identity`: the file of the private key that opens backups."""

    database: str
    store: StoreSettings
    identity: str | None


def verify_from_environment(environment: Mapping[str, str]) -> VerifySettings:
    """The part that `filewallball.backup verify` needs. Raises ConfigError like `from_environment`."""
    read = Reader(environment)
    settings = VerifySettings(
        read.text(Variables.DATABASE), read_store(read), read.file(Variables.IDENTITY_FILE)
    )
    read.finish()
    return settings


def read_store(read: Reader) -> StoreSettings:
    access_key = read.key(store.Variables.ACCESS_KEY_FILE)
    secret_key = read.key(store.Variables.SECRET_KEY_FILE)
    if (access_key is None) != (secret_key is None):
        read.wrong(
            store.Variables.SECRET_KEY_FILE, f"goes with {store.Variables.ACCESS_KEY_FILE}: one alone is set"
        )
    return StoreSettings(
        bucket=read.text(store.Variables.BUCKET),
        prefix=read.environment.get(store.Variables.PREFIX, ""),
        endpoint=read.url(store.Variables.ENDPOINT),
        region=read.environment.get(store.Variables.REGION) or None,
        access_key=access_key,
        secret_key=secret_key,
        session_token=read.key(store.Variables.SESSION_TOKEN_FILE),
        ca_file=read.environment.get(store.Variables.CA_FILE) or None,
        addressing=read.choice(store.Variables.ADDRESSING, store.ADDRESSINGS),
        lease=read.environment.get(store.Variables.LEASE) or None,
    )
