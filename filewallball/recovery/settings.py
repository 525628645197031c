"""What a restore reads from its environment: what the backup reads, and where the server's volume is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.backup import Variables as Backup
from facts.recovery import Variables
from filewallball.backup import settings as backup


@dataclass(frozen=True)
class Settings:
    """`backup`: the database, the store and the work directory. `volume`: the server's volume.

    `identity`: the file of the private key that opens encrypted backups.
    """

    backup: backup.Settings
    volume: Path
    identity: Path | None = None


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Raises ConfigError that names all that is wrong."""
    made = backup.from_environment(environment)
    read = backup.Reader(environment)
    volume = read.directory(Variables.VOLUME)
    identity = read.file(Backup.IDENTITY_FILE)
    read.finish()
    return Settings(made, volume, Path(identity) if identity else None)
