"""Parts of a file: which one a request asks for (RFC 9110), and which one an upload brings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=\s*(?:([0-9]{1,19})-([0-9]{0,19})|-([0-9]{1,19}))\s*")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19})")


class NoSuchRange(Exception):
    """The range begins behind the end: 416."""


@dataclass(frozen=True)
class Range:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def asked(header: str | None, size: int) -> Range | None:
    """The range of a Range header; None: send the whole. Raises NoSuchRange.

    More than one range, or another unit, is answered with the whole, which the standard allows.
    """
    found = _RANGE.fullmatch(header) if header else None
    if not found:
        return None
    first, last, suffix = found.groups()
    if suffix is not None:
        if int(suffix) == 0 or size == 0:
            raise NoSuchRange
        return Range(max(size - int(suffix), 0), size - 1)
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise NoSuchRange
    return Range(int(first), min(int(last), size - 1) if last else size - 1)


def brought(header: str | None, size: int) -> Range | None:
    """The range of a Content-Range header of an upload of `size` bytes; None if it is none of it."""
    found = _CONTENT_RANGE.fullmatch(header.strip()) if header else None
    if not found or found[1] is None or int(found[3]) != size:
        return None
    first, last = int(found[1]), int(found[2])
    return Range(first, last) if first <= last < size else None


def same(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names the ETag."""
    if not header:
        return False
    return header.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in header.split(",")]
