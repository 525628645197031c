"""The content of a piece: RESTORE commands as a server takes them, one for each key.

So a piece can be restored without this program: `zstd -dc PIECE | redis-cli -n DATABASE --pipe`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from filewallball.errors import UserError

_START = b"*6\r\n$7\r\nRESTORE\r\n$"
_END = b"\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n"
_RECORD = _START + b"%d\r\n%b\r\n$%d\r\n%b\r\n$%d\r\n%b" + _END
_NEXT = b"\r\n$"
_KEEP_START = b"*5\r\n$7\r\nRESTORE\r\n$"
_KEEP_END = b"\r\n$6\r\nABSTTL\r\n"
FOOTER = 10
"""Bytes at the end of a value as DUMP gives it: two of the format's version, eight of a checksum."""


class _NoRecordError(ValueError):
    """Something else stands where a record should be."""


class Damaged(UserError):
    """A piece isn't what it was."""


def records(keys: Sequence[bytes], times: Sequence[bytes], values: Sequence[bytes]) -> bytes:
    """The commands of many keys, as `record` makes them. All parts have their length before them."""
    parts = [_END + _START, b"", _NEXT, b"", _NEXT, b""] * len(keys)
    parts[1::6], parts[3::6], parts[5::6] = keys, times, values
    return b"".join(parts)[len(_END) :] + _END if keys else b""


def record(key: bytes, expiry: int, value: bytes) -> bytes:
    """The command that makes the key again. `expiry`: Unix time in milliseconds, 0 for none."""
    when = b"%d" % expiry
    return _RECORD % (len(key), key, len(when), when, len(value), value)


@dataclass(frozen=True, slots=True)
class Record:
    """One key. `raw`: its command, which replaces a key of that name."""

    key: bytes
    expiry: int
    raw: bytes

    @property
    def value(self) -> bytes:
        """As DUMP gave it."""
        at = len(_START)
        for _ in range(2):
            mark = self.raw.index(b"\r\n", at)
            at = mark + 2 + int(self.raw[at:mark]) + 3
        mark = self.raw.index(b"\r\n", at)
        return self.raw[mark + 2 : mark + 2 + int(self.raw[at:mark])]

    @property
    def keeping(self) -> bytes:
        """The command that leaves a key of that name as it is."""
        return _KEEP_START + self.raw[len(_START) : -len(_END)] + _KEEP_END


def parsed(raw: bytes) -> Iterator[Record]:
    """The records of a piece. Raises Damaged."""
    at, start, end = 0, len(_START), len(_END)
    try:
        while at < len(raw):
            begin = at
            if raw[at : at + start] != _START:
                raise _NoRecordError
            at += start
            mark = raw.index(b"\r\n", at)
            stop = mark + 2 + int(raw[at:mark])
            key = raw[mark + 2 : stop]
            mark = raw.index(b"\r\n", stop + 3)
            size = int(raw[stop + 3 : mark])
            expiry = int(raw[mark + 2 : mark + 2 + size])
            at = mark + size + 5
            mark = raw.index(b"\r\n", at)
            at = mark + 2 + int(raw[at:mark]) + end
            if raw[at - end : at] != _END:
                raise _NoRecordError
            yield Record(key, expiry, raw[begin:at])
    except ValueError as error:
        raise Damaged("A piece does not hold RESTORE commands.", "Restore another backup.") from error


def matcher(pattern: str) -> Callable[[bytes], bool]:
    """Whether a key matches a pattern as SCAN takes it: `*`, `?`, `[a-z]`, `[^a]`, `\\` before a sign."""
    found = re.compile(_expression(pattern.encode()), re.DOTALL)
    return lambda key: bool(found.fullmatch(key))


def _expression(pattern: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at : at + 1]
        at += 1
        if sign == b"*":
            parts.append(b".*")
        elif sign == b"?":
            parts.append(b".")
        elif sign == b"[":
            part, at = _class(pattern, at)
            parts.append(part)
        else:
            if sign == b"\\" and at < len(pattern):
                sign = pattern[at : at + 1]
                at += 1
            parts.append(re.escape(sign))
    return b"".join(parts)


def _class(pattern: bytes, at: int) -> tuple[bytes, int]:
    """The characters in brackets; without a closing bracket they go to the end, as the servers have it."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    signs: list[int] = []
    while at < len(pattern) and pattern[at] != 93:  # ]
        if pattern[at] == 92 and at + 1 < len(pattern):  # a backslash
            at += 1
        low = pattern[at]
        at += 1
        if pattern[at : at + 1] == b"-" and at + 1 < len(pattern):
            low, high = sorted((low, pattern[at + 1]))
            signs += range(low, high + 1)
            at += 2
        else:
            signs.append(low)
    inner = b"".join(b"\\x%02x" % sign for sign in signs)
    if not signs:
        return (b"." if negated else b"(?!)"), at + 1
    return b"[" + (b"^" if negated else b"") + inner + b"]", at + 1
