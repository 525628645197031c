"""The manifest beside each backup: what is in it, and the proof that it could be restored."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from filewallball.backup.fields import Fields, ManifestError, load, parse_time, utc_text
from filewallball.backup.names import backup_time

FORMAT = 1
Verdict = Literal["verified", "differs"]
_SINCE = {"compression": str, "recipients": list, "proof": str}


@dataclass(frozen=True)
class Table:
    """One table as the snapshot saw it. `definition` is the SHA-256 of its SHOW CREATE TABLE."""

    rows: int
    checksum: int
    definition: str


@dataclass(frozen=True)
class Position:
    """Where in the server's binary log the snapshot stands.

    `begun`: when the server began that file, in seconds since 1970. It tells logs apart whose files have the
    same names. None: the server didn't tell, or the backup is older than this field.
    """

    file: str
    position: int
    begun: int | None = None


@dataclass(frozen=True)
class Manifest:
    """One backup. Sizes in bytes. `objects`: kind (view, trigger, …) to name to SHA-256 of the definition.

    `tables` and `objects` are what a restore gives; `differences` tells, a line each, where that is not what
    the server held. `locked_tables` had to be locked for `locked_seconds`, since no snapshot holds them.
    `recipients`: the public keys for which the dump is encrypted. `proof`: how it was verified, for people.
    """

    name: str
    created: datetime
    bytes: int
    sha256: str
    sql_bytes: int
    database: str
    charset: str
    collation: str
    server_version: str
    snapshot: Position
    tables: dict[str, Table]
    objects: dict[str, dict[str, str]]
    verified: bool
    verified_at: datetime | None
    restore_seconds: float
    compression: str = "gzip"
    recipients: tuple[str, ...] = ()
    proof: str = ""
    differences: tuple[str, ...] = ()
    locked_tables: tuple[str, ...] = ()
    locked_seconds: float = 0.0
    before_restore: str = ""
    """The backup that was then restored over it. Nobody wants what was there back unasked."""

    @property
    def verdict(self) -> Verdict | None:
        """How the trial restore ended; None if there was none."""
        return "verified" if self.verified else "differs" if self.differences else None

    def to_json(self) -> bytes:
        """The manifest as it is stored: UTF-8, readable by people."""
        values: dict[str, Any] = {"format": FORMAT, **asdict(self), "verdict": self.verdict}
        for key in ("created", "verified_at"):
            values[key] = None if values[key] is None else utc_text(values[key])
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """The manifest in `text`. Raises ManifestError."""
        return _parse(load(text))


def _parse(fields: Fields) -> Manifest:
    fields.check_format(FORMAT)
    name = fields.get("name", str)
    if backup_time(name) is None:
        raise ManifestError(f"name is {name!r}, not a backup's name")
    tables = {
        table: _table(Fields(values, f"tables.{table}."))
        for table, values in fields.get("tables", dict).items()
    }
    verified_at = fields.values.get("verified_at")
    return Manifest(
        name=name,
        created=parse_time("created", fields.get("created", str)),
        bytes=fields.get("bytes", int),
        sha256=fields.get("sha256", str),
        sql_bytes=fields.get("sql_bytes", int),
        database=fields.get("database", str),
        charset=fields.get("charset", str),
        collation=fields.get("collation", str),
        server_version=fields.get("server_version", str),
        snapshot=_position(Fields(fields.get("snapshot", dict), "snapshot.")),
        tables=tables,
        objects=fields.get("objects", dict),
        verified=fields.get("verified", bool),
        verified_at=None if verified_at is None else parse_time("verified_at", verified_at),
        restore_seconds=float(fields.get("restore_seconds", (int, float))),
        # Older manifests lack these.
        differences=fields.texts("differences"),
        locked_tables=fields.texts("locked_tables"),
        locked_seconds=float(fields.get("locked_seconds", (int, float), 0.0)),
        **_packing(fields),
        before_restore=str(fields.values.get("before_restore", "")),
    )


def _position(fields: Fields) -> Position:
    told = fields.values.get("begun") is not None
    return Position(
        fields.get("file", str), fields.get("position", int), fields.get("begun", int) if told else None
    )


def _packing(fields: Fields) -> dict[str, Any]:
    """What manifests tell since backups can be packed in more than one way."""
    told = {key: fields.get(key, kind) for key, kind in _SINCE.items() if key in fields.values}
    if "recipients" in told:
        told["recipients"] = tuple(str(each) for each in told["recipients"])
    return told


def _table(fields: Fields) -> Table:
    return Table(fields.get("rows", int), fields.get("checksum", int), fields.get("definition", str))
