"""What the shipper reads from its environment, checked all together before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.backup import Variables
from facts.binlogs import Variables as Own
from filewallball.backup.environment import Reader
from filewallball.backup.settings import DatabaseSettings, StoreSettings, read_database, read_store


@dataclass(frozen=True)
class Settings:
    """Everything that shipping needs. `every`: seconds from one look at the log to the next.

    `recipients`: the public keys for which pieces are encrypted, if there are any.
    """

    database: DatabaseSettings
    store: StoreSettings
    work_dir: Path
    every: int
    recipients: tuple[str, ...] = ()


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings of the shipper. Raises ConfigError that names all that is wrong."""
    read = Reader(environment)
    settings = Settings(
        read_database(read),
        read_store(read),
        read.directory(Variables.WORK_DIR),
        _seconds(read),
        read.recipients(Variables.RECIPIENTS),
    )
    read.finish()
    return settings


def work_dir(environment: Mapping[str, str]) -> Path:
    """The work directory alone. Raises ConfigError."""
    read = Reader(environment)
    found = read.directory(Variables.WORK_DIR)
    read.finish()
    return found


def database_from_environment(environment: Mapping[str, str]) -> DatabaseSettings:
    """The database's part, read again: its password may have changed. Raises ConfigError."""
    read = Reader(environment)
    database = read_database(read)
    read.finish()
    return database


def _seconds(read: Reader) -> int:
    text = read.environment.get(Own.EVERY_SECONDS) or "10"
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 60):
        read.wrong(Own.EVERY_SECONDS, f"{text!r} is not a number of seconds from 1 to 60")
        return 0
    return int(text)
