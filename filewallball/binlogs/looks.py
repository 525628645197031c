"""What is kept beside a piece that took the place of small ones: at which times the log ended where in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from filewallball.backup.fields import ManifestError, load
from filewallball.backup.store import Store
from filewallball.binlogs.names import Looks, Mark, Piece

FORMAT = 1


def to_json(marks: Iterable[Mark]) -> bytes:
    """As it is stored: pairs of a position and a time, seconds since 1970."""
    pairs = sorted({(mark.end, mark.time) for mark in marks})
    return (json.dumps({"format": FORMAT, "looks": pairs}) + "\n").encode()


def read(logs: Store, looks: Looks) -> list[Mark]:
    """The marks that the small pieces were. What can't be read tells nothing. Raises StoreError."""
    piece = looks.piece
    try:
        fields = load(logs.get(looks.key))
        fields.check_format(FORMAT)
        pairs: list[Any] = fields.get("looks", list)
        return [Mark(piece.timeline, piece.file, int(end), int(time)) for end, time in pairs]
    except (ManifestError, TypeError, ValueError):
        return []


def within(piece: Piece, mark: Mark) -> bool:
    """Whether a mark belongs to the piece, and not to the end of the one before it."""
    return mark.file == piece.file and piece.start < mark.end <= piece.end
