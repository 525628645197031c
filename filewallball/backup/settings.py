"""What the backup job reads from its environment, checked all together before anything is touched."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from facts import mariadb, snapshots, store, tls
from facts.backup import COMPRESSIONS, KEEP_DAYS, Variables
from facts.units import quantity_bytes
from filewallball.backup import age
from filewallball.backup.packed import Packing
from filewallball.errors import ConfigError

_STORE = "filewallball:backup.store"
SETTINGS = {
    store.Variables.BUCKET: f"{_STORE}.bucket",
    store.Variables.PREFIX: f"{_STORE}.prefix",
    store.Variables.REGION: f"{_STORE}.region",
    store.Variables.ENDPOINT: f"{_STORE}.endpoint",
    store.Variables.ACCESS_KEY_FILE: f"{_STORE}.credentialsSecret",
    store.Variables.SECRET_KEY_FILE: f"{_STORE}.credentialsSecret",
    store.Variables.SESSION_TOKEN_FILE: f"{_STORE}.sessionTokenKey",
    store.Variables.CA_FILE: f"{_STORE}.ca",
    store.Variables.ADDRESSING: f"{_STORE}.addressing",
    tls.Variables.CA_FILE: "filewallball:tls.enabled",
    Variables.KEEP_DAYS: "filewallball:backup.keepDays",
    Variables.COMPRESSION: "filewallball:backup.compression",
    Variables.RECIPIENTS: "filewallball:backup.encryption.recipients",
    Variables.WORK_SIZE: "filewallball:backup.workSize or filewallball:valkey.snapshots.workSize",
    snapshots.Variables.KEEP: "filewallball:valkey.snapshots.keep",
}
"""The setting that each variable is made from."""


class NotMade(ConfigError):
    """What only the user can make in the namespace isn't there, or not yet."""


@dataclass(frozen=True)
class DatabaseSettings:
    """The server and the one database that is backed up.

    `ca_file`: the authority of encrypted connections.
    """

    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    ca_file: str | None = None


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

    `keep_days`: the age at which a backup is removed. `allow_empty`: a database without a row is backed up
    even if the last backup had rows.
    """

    database: DatabaseSettings
    store: StoreSettings
    work_dir: Path
    work_size: int | None
    keep_days: int = KEEP_DAYS
    packing: Packing = field(default_factory=Packing)
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


def keys_there(*paths: str | None) -> None:
    """See that each file with a key of the store is there. Raises NotMade."""
    for path in map(Path, filter(None, paths)):
        if not path.exists():
            raise NotMade(
                f"There is no Secret {path.parent.name} with the key {path.name}, which the store needs "
                f"({_STORE}.credentialsSecret).",
                f"Make it: `kubectl -n NAMESPACE create secret generic {path.parent.name} --from-literal="
                f"{store.ACCESS_KEY}=KEY --from-literal={store.SECRET_KEY}=SECRET`. A pod that runs sees it "
                "after a minute or two.",
            )


def read_store(read: Reader) -> StoreSettings:
    names = store.Variables
    keys_there(
        *map(read.environment.get, (names.ACCESS_KEY_FILE, names.SECRET_KEY_FILE, names.SESSION_TOKEN_FILE))
    )
    access_key = read.secret(store.Variables.ACCESS_KEY_FILE, required=False)
    secret_key = read.secret(store.Variables.SECRET_KEY_FILE, required=False)
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
        session_token=read.secret(store.Variables.SESSION_TOKEN_FILE, required=False),
        ca_file=read.environment.get(store.Variables.CA_FILE) or None,
        addressing=read.choice(store.Variables.ADDRESSING, store.ADDRESSINGS),
        lease=read.environment.get(store.Variables.LEASE) or None,
    )


class Reader:
    """Reads variables one by one and keeps what is wrong for one error at the end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._wrong: list[str] = []

    def wrong(self, name: str, why: str) -> None:
        """Note that a variable is wrong, with the setting that it is made from, if it is made from one."""
        setting = SETTINGS.get(name)
        message = f"{name}: {why}" + (f" ({setting})" if setting else "")
        if message not in self._wrong:
            self._wrong.append(message)

    def finish(self) -> None:
        if self._wrong:
            raise ConfigError(
                "The environment of this program is wrong:\n"
                + "\n".join(f"  - {line}" for line in self._wrong),
                "Nothing has been changed. Correct the settings in brackets, from which these variables are "
                "written, and run `fwb up`.",
            )

    def text(self, name: str) -> str:
        value = self.environment.get(name, "")
        if not value:
            self.wrong(name, "not set")
        return value

    def port(self, name: str) -> int:
        value = self.environment.get(name) or str(mariadb.PORT)
        if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
            self.wrong(name, f"{value!r} is not a port number (1 to 65535)")
            return 0
        return int(value)

    def url(self, name: str) -> str | None:
        value = self.environment.get(name) or None
        if value is not None and not re.match(r"https?://[^/]+", value):
            self.wrong(name, f"{value!r} is not a URL; write http://HOST:PORT or https://HOST")
        return value

    def choice(self, name: str, allowed: Sequence[str]) -> str | None:
        value = self.environment.get(name) or None
        if value is not None and value not in allowed:
            self.wrong(name, f"{value!r} is not one of {', '.join(allowed)}")
        return value

    def secret(self, name: str, *, required: bool = True) -> str | None:
        path = self.environment.get(name, "")
        if not path:
            if required:
                self.wrong(name, "not set; it names the file that holds the secret")
            return None
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            self.wrong(name, f"cannot read {path} ({getattr(error, 'strerror', None) or 'not UTF-8 text'})")
            return ""
        if not value:
            self.wrong(name, f"{path} is empty")
        return value

    def file(self, name: str) -> str | None:
        """The path of a file that can be read, if the variable is set."""
        path = self.environment.get(name) or None
        if path and not os.access(path, os.R_OK):
            self.wrong(name, f"cannot read {path}")
        return path

    def count(self, name: str, missing: int) -> int:
        """A whole number of 1 or more; `missing` if the variable is not set."""
        value = self.environment.get(name, "").strip() or str(missing)
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            self.wrong(name, f"{value!r} is not a whole number of 1 or more")
            return missing
        return int(value)

    def directory(self, name: str) -> Path:
        value = self.text(name)
        if value and not Path(value).is_dir():
            self.wrong(name, f"{value} is not a directory")
        return Path(value)

    def recipients(self, name: str) -> tuple[str, ...]:
        """Public keys of age, one a line."""
        found = tuple(line.strip() for line in self.environment.get(name, "").splitlines() if line.strip())
        for each in found:
            try:
                age.recipient(each)
            except ValueError as error:
                self.wrong(name, f"{'a line' if 'PRIVATE' in each or 'SECRET' in each else each} is {error}")
        return found

    def size(self, name: str) -> int | None:
        value = self.environment.get(name)
        if not value:
            return None
        size = quantity_bytes(value)
        if size is None:
            self.wrong(
                name, f"{value!r} is not a size; write it as Kubernetes does, such as 2Gi, 500Mi or 1000000"
            )
        return size
