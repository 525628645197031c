"""What is known of a backup: of each piece while it is made, and the manifest, written last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

from filewallball.backup.fields import Fields, ManifestError, load, parse_time, utc_text

FORMAT = 1
Way = Literal["replica", "scan"]
Verify = Literal["full", "sample", "none"]
_KINDS: dict[str, Any] = {
    "int": int,
    "str": str,
    "int | None": (int, type(None)),
}


@dataclass(frozen=True)
class Piece:
    """One object of RESTORE commands. `bytes`: before compression; `size`, `sha256`: as it is stored.

    `phase` 1: keys of slots that moved while the backup was made; they are restored after all others.
    `run`: how often the shard was begun. `cursor`: where SCAN goes on, in the server `run_id` alone; "0"
    after a database's end. `first_expiry`: when the first of its keys expires, Unix time in milliseconds.
    """

    name: str
    shard: int
    run: int
    number: int
    phase: int
    database: int
    records: int
    bytes: int
    size: int
    sha256: str
    first_expiry: int | None
    cursor: str
    run_id: str

    def to_json(self) -> bytes:
        return _json(asdict(self))

    @classmethod
    def from_fields(cls, values: Fields) -> Piece:
        """Raises ManifestError."""
        return cls(**{each.name: values.get(each.name, _KINDS[str(each.type)]) for each in fields(cls)})

    @classmethod
    def from_json(cls, text: bytes) -> Piece:
        return cls.from_fields(load(text))


@dataclass(frozen=True)
class Begun:
    """What is known when a backup begins. `owners`: of each slot, its shard; None outside of a cluster.

    `shards`: the nodes of each, by their ids. `token`: tells two runs of the same second apart.
    """

    id: str
    target: str
    kind: str
    created: datetime
    host: str
    token: str
    shards: tuple[tuple[str, ...], ...]
    owners: tuple[int, ...] | None

    def to_json(self) -> bytes:
        return _json(asdict(self) | {"created": utc_text(self.created)})

    @classmethod
    def from_json(cls, text: bytes) -> Begun:
        """Raises ManifestError."""
        found = load(text)
        owners = found.get("owners", (list, type(None)))
        return cls(
            found.get("id", str),
            found.get("target", str),
            found.get("kind", str),
            parse_time("created", found.get("created", str)),
            found.get("host", str),
            found.get("token", str),
            tuple(tuple(nodes) for nodes in found.get("shards", list)),
            None if owners is None else tuple(owners),
        )


@dataclass(frozen=True)
class Manifest:
    """A finished backup. `ways`: how each shard was read. `rdb`: the version of its values' format.

    `memory`: bytes that the data took in the servers. `functions`: the SHA-256 of FUNCTION DUMP.
    `verified`: how it was read back from the store. `notes`: what its reader should know.
    """

    id: str
    target: str
    kind: str
    created: datetime
    finished: datetime
    servers: tuple[str, ...]
    ways: tuple[str, ...]
    rdb: int
    memory: int
    packing: str
    verified: str
    functions: str | None
    notes: tuple[str, ...]
    pieces: tuple[Piece, ...]

    @property
    def keys(self) -> dict[int, int]:
        """How many keys each database holds; a key of a slot that moved may count twice."""
        found: Counter[int] = Counter()
        for each in self.pieces:
            found[each.database] += each.records
        return {database: count for database, count in sorted(found.items()) if count}

    @property
    def total(self) -> int:
        return sum(self.keys.values())

    @property
    def size(self) -> int:
        """Bytes in the store."""
        return sum(each.size for each in self.pieces)

    def to_json(self) -> bytes:
        times = {"created": utc_text(self.created), "finished": utc_text(self.finished)}
        return _json({"format": FORMAT, **asdict(self), **times, "keys": self.keys})

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Raises ManifestError."""
        found = load(text)
        found.check_format(FORMAT)
        pieces: list[Any] = found.get("pieces", list)
        return cls(
            found.get("id", str),
            found.get("target", str),
            found.get("kind", str),
            parse_time("created", found.get("created", str)),
            parse_time("finished", found.get("finished", str)),
            _texts(found, "servers"),
            _texts(found, "ways"),
            found.get("rdb", int),
            found.get("memory", int),
            found.get("packing", str),
            found.get("verified", str),
            found.get("functions", (str, type(None))),
            _texts(found, "notes"),
            tuple(Piece.from_fields(Fields(each, f"pieces[{place}].")) for place, each in enumerate(pieces)),
        )


def _texts(found: Fields, name: str) -> tuple[str, ...]:
    values: Sequence[Any] = found.get(name, list)
    if not all(isinstance(each, str) for each in values):
        raise ManifestError(f"{name} is not a list of texts")
    return tuple(values)


def _json(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()
