"""What the store has of the log, beside what the server has, and ways to break the log."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import gzip
import time
from collections import defaultdict

from log_lab import DATABASE, Lab

from filewallball.binlogs import catalogue
from filewallball.binlogs.names import Mark, Piece

TABLE = f"CREATE TABLE {DATABASE}.rows_ (id INT PRIMARY KEY, v LONGTEXT)"


def rows(lab: Lab, first: int, count: int, size: int = 10) -> None:
    lab.server.run(
        *(f"INSERT INTO {DATABASE}.rows_ VALUES ({first + n}, REPEAT('x', {size}))" for n in range(count))
    )


def pieces(lab: Lab) -> list[Piece]:
    return [piece for timeline in catalogue.timelines(lab.logs) for piece in timeline.pieces]


def marks(lab: Lab) -> list[Mark]:
    return [mark for timeline in catalogue.timelines(lab.logs) for mark in timeline.loose]


def as_stored(lab: Lab, timeline: int = 1) -> dict[str, bytes]:
    """The log's files as their pieces in the store, put together and unpacked, make them."""
    found: dict[str, bytes] = defaultdict(bytes)
    (whole,) = [each for each in catalogue.timelines(lab.logs) if each.number == timeline]
    for piece in whole.chain(min(each.begins for each in whole.pieces)):
        assert len(found[piece.file.name]) == piece.start
        found[piece.file.name] += gzip.decompress(lab.logs.get(piece.key))
    return dict(found)


def as_served(lab: Lab) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in (lab.server.folder / "data").glob("binlog.[0-9]*")}
    # The file in use has a flag that says so, which no replica is sent.
    return {name: data[:21] + bytes([data[21] & ~1]) + data[22:] for name, data in files.items()}


def assert_shipped(lab: Lab, timeline: int = 1) -> None:
    """The store has the log. The server may write a checkpoint into it by itself, after all else."""
    deadline = time.monotonic() + 30
    while as_stored(lab, timeline) != (served := as_served(lab)):
        if time.monotonic() > deadline:
            assert as_stored(lab, timeline) == served
        lab.shipper.turn()
