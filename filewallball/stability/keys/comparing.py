"""Comparing keys of a deployment with the records of a backup."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.crc import key_slot

from filewallball.stability.keys.records import FOOTER, Record
from filewallball.stability.keys.wire import Refused, words
from filewallball.stability.keys.writing import Writer

_CLOCK_MS = 2000
"""Clocks of machines differ a little, and a key may expire between two looks."""
_SCRATCH_MS = 60_000
_GONE = -2
_LARGE = 16 * 2**20
"""Bytes. A larger value whose form differs is compared by its length alone."""
_EXAMPLES = 5


@dataclass
class Compared:
    """How keys compare. `examples`: some of those that don't."""

    equal: int = 0
    expired: int = 0
    missing: int = 0
    differing: int = 0
    examples: list[bytes] = field(default_factory=list[bytes])

    def add(self, other: Compared) -> None:
        self.equal += other.equal
        self.expired += other.expired
        self.missing += other.missing
        self.differing += other.differing
        self.examples += other.examples[: _EXAMPLES - len(self.examples)]

    @property
    def good(self) -> bool:
        return not (self.missing or self.differing)


def compare(writer: Writer, records: Sequence[Record]) -> Compared:
    """Raises Lost."""
    found = Compared()
    dumps = writer.ask([(each.key, words("DUMP", each.key)) for each in records])
    times = expiries(writer, [each.key for each in records])
    for record, dump, expiry in zip(records, dumps, times, strict=True):
        over = 0 < record.expiry <= time.time() * 1000 + _CLOCK_MS
        if not isinstance(dump, bytes):
            found.expired += over
            found.missing += not over
        elif abs(expiry - record.expiry) <= _tolerance(writer) and _same(writer, record, dump):
            found.equal += 1
            continue
        elif over:
            found.expired += 1
        else:
            found.differing += 1
        if not over and len(found.examples) < _EXAMPLES:
            found.examples.append(record.key)
    return found


def expiries(writer: Writer, keys: Sequence[bytes]) -> list[int]:
    """When each key expires, Unix time in milliseconds; 0 for never."""
    replies = writer.ask([(key, words("PEXPIRETIME", key)) for key in keys])
    if any(isinstance(each, Refused) for each in replies):  # before Redis 7
        left = writer.ask([(key, words("PTTL", key)) for key in keys])
        now = time.time() * 1000
        return [int(now + each) if isinstance(each, int) and each >= 0 else 0 for each in left]
    return [each if isinstance(each, int) and each >= 0 else 0 for each in replies]


def _tolerance(writer: Writer) -> int:
    [reply] = writer.ask([(b"x", words("PEXPIRETIME", "x"))])
    return _CLOCK_MS if isinstance(reply, Refused) else 0


def _same(writer: Writer, record: Record, dump: bytes) -> bool:
    """Equal values may be stored in different forms, and hashes and sets in any order."""
    value = record.value
    if dump[:-FOOTER] == value[:-FOOTER]:
        return True
    if len(value) > _LARGE:
        return abs(len(value) - len(dump)) < len(value) // 10
    # The server itself turns the record into a value that can be looked at.
    scratch = b"{%b}:fwb-scratch" % _tag(key_slot(record.key))
    restore = words("RESTORE", scratch, _SCRATCH_MS, value, "REPLACE")
    try:
        [made, kind] = writer.ask([(scratch, restore), (scratch, words("TYPE", scratch))])
        if isinstance(made, Refused):
            return False
        return _read(writer, scratch, kind) == _read(writer, record.key, kind)
    finally:
        writer.ask([(scratch, words("DEL", scratch))])


def _read(writer: Writer, key: bytes, kind: object) -> Any:
    """A value in a form in which equal ones are equal."""
    commands, made = _READ.get(kind, _READ[b"other"]) if isinstance(kind, bytes) else _READ[b"other"]
    replies = writer.ask([(key, words(*(key if word is _KEY else word for word in one))) for one in commands])
    return made(replies)


_KEY = b"\0key"


def _pairs(replies: list[Any]) -> Any:
    flat: Any = replies[0]
    return repr(flat) if isinstance(flat, Refused) else sorted(zip(flat[::2], flat[1::2], strict=True))


def _sorted(replies: list[Any]) -> Any:
    return repr(replies[0]) if isinstance(replies[0], Refused) else sorted(replies[0])


def _plain(replies: list[Any]) -> Any:
    return [str(each) if isinstance(each, Refused) else each for each in replies]


_READ: dict[bytes, tuple[list[tuple[str | bytes, ...]], Callable[[list[Any]], Any]]] = {
    b"string": ([("GET", _KEY)], _plain),
    b"list": ([("LRANGE", _KEY, "0", "-1")], _plain),
    b"set": ([("SMEMBERS", _KEY)], _sorted),
    b"hash": ([("HGETALL", _KEY)], _pairs),
    b"zset": ([("ZRANGE", _KEY, "0", "-1", "WITHSCORES")], _pairs),
    b"stream": ([("XRANGE", _KEY, "-", "+"), ("XINFO", "STREAM", _KEY)], lambda replies: _plain(replies[:1])),
    b"other": ([("TYPE", _KEY)], _plain),
}
_tags: dict[int, bytes] = {}


def _tag(slot: int) -> bytes:
    """A text of that slot, for a key that is to lie beside another."""
    number = 0
    while slot not in _tags:
        for _ in range(10_000):
            text = b"%d" % number
            _tags.setdefault(key_slot(text), text)
            number += 1
    return _tags[slot]
