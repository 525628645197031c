"""The manifest beside each snapshot: what it holds, and the proof that a server could load it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from filewallball.backup.fields import Fields, ManifestError, load, parse_time, utc_text
from filewallball.snapshots.databases import DATABASES
from filewallball.snapshots.names import snapshot_time

FORMAT = 2
"""1: before version 2 a snapshot covered databases 0 to 13 and no functions."""


@dataclass(frozen=True)
class Content:
    """One database of the set. `digest` sums up every key, its value, and the time at which it expires."""

    keys: int
    expires: int
    digest: str


@dataclass(frozen=True)
class Manifest:
    """One snapshot. `bytes` and `sha256` are its file's; `memory` is what its data takes in a server.

    `databases`: those that applications use and that hold keys. `functions`: the digest of each library.
    `source`: the server it was taken from.
    `before_restore`: the snapshot that was about to be restored when this one was taken.
    """

    name: str
    created: datetime
    bytes: int
    sha256: str
    server_version: str
    source: str
    databases: dict[int, Content]
    memory: int
    verified: bool
    verified_at: datetime | None
    before_restore: str | None = None
    functions: dict[str, str] = field(default_factory=dict[str, str])
    format: int = FORMAT

    @property
    def covered(self) -> range:
        """The databases of which it knows everything: one that isn't in `databases` was empty."""
        return range(14) if self.format == 1 else DATABASES

    @property
    def keys(self) -> int:
        """How many keys it holds in all."""
        return sum(content.keys for content in self.databases.values())

    def to_json(self) -> bytes:
        """The manifest as it is stored: UTF-8, readable by people."""
        values: dict[str, Any] = {"format": self.format, **asdict(self)}
        for key in ("created", "verified_at"):
            values[key] = None if values[key] is None else utc_text(values[key])
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """The manifest in `text`. Raises ManifestError."""
        fields = load(text)
        version = fields.get("format", int)
        if version not in (1, FORMAT):
            fields.check_format(FORMAT)
        name = _name("name", fields.get("name", str))
        verified_at = fields.values.get("verified_at")
        before = fields.values.get("before_restore")
        return cls(
            name=name,
            created=parse_time("created", fields.get("created", str)),
            bytes=fields.get("bytes", int),
            sha256=fields.get("sha256", str),
            server_version=fields.get("server_version", str),
            source=fields.get("source", str),
            databases=dict(
                _content(number, values) for number, values in fields.get("databases", dict).items()
            ),
            memory=fields.get("memory", int),
            verified=fields.get("verified", bool),
            verified_at=None if verified_at is None else parse_time("verified_at", verified_at),
            before_restore=None if before is None else _name("before_restore", before),
            functions=_functions(fields) if version > 1 else {},
            format=version,
        )


def _functions(fields: Fields) -> dict[str, str]:
    found = Fields(fields.get("functions", dict), "functions.")
    return {name: found.get(name, str) for name in found.values}


def _name(key: str, name: object) -> str:
    if not isinstance(name, str) or snapshot_time(name) is None:
        raise ManifestError(f"{key} is {name!r}, not a snapshot's name")
    return name


def _content(number: str, values: Any) -> tuple[int, Content]:
    fields = Fields(values, f"databases.{number}.")
    if not (number.isascii() and number.isdigit()):
        raise ManifestError(f"databases.{number}: not a database's number")
    return int(number), Content(
        fields.get("keys", int), fields.get("expires", int), fields.get("digest", str)
    )
