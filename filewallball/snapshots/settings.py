"""What the snapshots' job reads from its environment, checked all together before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facts import tls
from facts.snapshots import Variables
from filewallball.backup.environment import Reader
from filewallball.backup.settings import StoreSettings, read_store


@dataclass(frozen=True, order=True)
class Address:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class SetSettings:
    """The Sentinels that know the session set, and the passwords for them and for its members.

    `ca_file`: the authority of encrypted connections.
    """

    sentinels: tuple[Address, ...]
    master: str
    password: str = field(repr=False)
    sentinel_password: str = field(repr=False)
    ca_file: str | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that a snapshot or a restore needs. `work_size`: the work directory's limit in bytes.

    `throwaway` is the folder of the throw-away server: its socket, and the file that it loads.
    """

    set: SetSettings
    store: StoreSettings
    work_dir: Path
    work_size: int | None
    throwaway: Path
    keep: int


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings of `run` and `restore`. Raises ConfigError that names all that is wrong."""
    read = Reader(environment)
    settings = Settings(
        set=SetSettings(
            sentinels=_addresses(read, Variables.SENTINELS),
            master=read.text(Variables.MASTER),
            password=read.secret(Variables.PASSWORD_FILE) or "",
            sentinel_password=read.secret(Variables.SENTINEL_PASSWORD_FILE) or "",
            ca_file=read.file(tls.Variables.CA_FILE),
        ),
        store=read_store(read),
        work_dir=read.directory(Variables.WORK_DIR),
        work_size=read.size(Variables.WORK_SIZE),
        throwaway=Path(read.text(Variables.THROWAWAY_DIR)),
        keep=_count(read, Variables.KEEP),
    )
    read.finish()
    return settings


def _addresses(read: Reader, name: str) -> tuple[Address, ...]:
    found: list[Address] = []
    for one in filter(None, read.text(name).split(",")):
        host, _, port = one.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            read.wrong(name, f"{one!r} is not an address; write HOST:PORT")
            continue
        found.append(Address(host, int(port)))
    return tuple(found)


def _count(read: Reader, name: str) -> int:
    value = read.text(name)
    if value and (not value.isascii() or not value.isdigit() or int(value) < 1):
        read.wrong(name, f"{value!r} is not a number of 1 or more")
        return 1
    return int(value or "1")
