"""What users ask for, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

FILE_BYTES = 4096
"""The file that is downloaded."""
UPLOAD_BYTES = 2048
LOG_IN_SECONDS = 5.0
"""Time between two log-ins: a password's hash is dear on purpose."""


@dataclass(frozen=True)
class Kind:
    """Requests that are alike. `{file}` in a path stands for the id of the file that is downloaded."""

    name: str
    method: str
    path: str
    share: int
    """So many of PATTERN's requests."""
    status: int = 200
    """Of the right answer."""
    user: bool = True
    """It comes with the session of a user."""
    database: bool = False
    """It can't be answered while the database is gone; all others must be."""

    @property
    def idempotent(self) -> bool:
        """Doing it twice is like doing it once, so that a balancer may try it on another server."""
        return self.method in ("GET", "HEAD", "PUT", "DELETE")


KINDS = (
    Kind("alive", "GET", "/healthz", 10, user=False),
    Kind("session", "GET", "/api/v1/session", 10),
    Kind("metadata", "GET", "/api/v1/files/{file}", 11),
    Kind("download", "GET", "/api/v1/files/{file}/content", 4),
    Kind("front page", "GET", "/", 3, database=True),
    Kind("files", "GET", "/api/v1/files", 1, database=True),
    Kind("upload", "POST", "/api/v1/files?name=drill.bin", 1, status=201, database=True),
)
LOG_IN = Kind("log-in", "POST", "/api/v1/session", 0, user=False, database=True)
BY_NAME = {kind.name: kind for kind in (*KINDS, LOG_IN)}
PATTERN = sum(kind.share for kind in KINDS)


def mixed() -> Iterator[Kind]:
    """Kinds without an end, each evenly spread by its share."""
    places = sorted(
        ((number + 0.5) / kind.share, order, kind)
        for order, kind in enumerate(KINDS)
        for number in range(kind.share)
    )
    return cycle([kind for _, _, kind in places])
