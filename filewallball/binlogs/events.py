"""The binary log's bytes: where events begin and end, what kind they are, and whether they are whole.

The format: https://mariadb.com/kb/en/2-binlog-event-header/. Only what shipping and replaying need is read.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from filewallball.errors import UserError

MAGIC = b"\xfebin"
"""Each file of the log begins with it; the first event stands at position 4."""
FIRST = len(MAGIC)
_HEADER = struct.Struct("<IBIIIH")
_HEADER_SIZE = _HEADER.size
_CHECKSUM = 4
_ARTIFICIAL = 0x20
"""The flag of events that the server makes up for a replica, and that stand in no file."""
_GTID = struct.Struct("<QIB")
_ALONE, _IN_GROUP_COMMIT, _TRANSACTIONAL, _PREPARES, _ENDS = 1, 2, 4, 64, 128
"""Flags of an event of kind GTID."""
_POSITIONS = 2**32
"""Positions in headers have 32 bits; a file with one huge transaction may be longer."""


class Kind(IntEnum):
    """The kinds of events that matter here."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    FORMAT = 15
    XID = 16
    TABLE_MAP = 19
    XA_PREPARE = 38
    GTID = 162
    GTID_LIST = 163
    QUERY_COMPRESSED = 165


ROWS = frozenset((20, 21, 22, 23, 24, 25, 30, 31, 32, 166, 167, 168, 169, 170, 171))
"""The kinds of events that hold rows: old, present and compressed."""


class LogError(UserError):
    """Bytes that are no whole, contiguous binary log."""


@dataclass(frozen=True)
class Event:
    """One event. `stamp`: when its statement began, seconds since 1970. `end`: where the next one stands."""

    stamp: int
    kind: int
    size: int
    end: int
    flags: int
    raw: bytes

    @property
    def artificial(self) -> bool:
        """Whether it stands in no file: the server made it up for whoever reads along."""
        return bool(self.flags & _ARTIFICIAL) or self.end == 0

    def body(self, checksummed: bool) -> bytes:
        """What follows the header, without the checksum."""
        return self.raw[_HEADER_SIZE : len(self.raw) - (_CHECKSUM if checksummed else 0)]


def parse(raw: bytes) -> Event:
    """One event out of all its bytes. Raises LogError if their number is wrong."""
    if len(raw) < _HEADER_SIZE:
        raise LogError(f"An event of the binary log has {len(raw)} bytes only.")
    stamp, kind, _server, size, end, flags = _HEADER.unpack_from(raw)
    if size != len(raw):
        raise LogError(f"An event of the binary log says that it has {size} bytes, and has {len(raw)}.")
    return Event(stamp, kind, size, end, flags, raw)


def checksums(format_event: Event) -> bool:
    """Whether the events of a file end with a checksum, by the file's first event. Raises LogError."""
    if format_event.kind != Kind.FORMAT or format_event.size < _HEADER_SIZE + _CHECKSUM + 1:
        raise LogError("A file of the binary log does not begin with a description of its format.")
    method = format_event.raw[-_CHECKSUM - 1]
    if method not in (0, 1):
        raise LogError(f"The binary log uses checksums of a kind that is not known here ({method}).")
    return method == 1


def check_sum(event: Event) -> None:
    """Raise LogError unless the event's CRC32 is right."""
    body, told = event.raw[:-_CHECKSUM], event.raw[-_CHECKSUM:]
    if zlib.crc32(body) != int.from_bytes(told, "little"):
        raise LogError("An event of the binary log is damaged: its checksum is wrong.")


def check_place(event: Event, start: int, file: str) -> None:
    """Raise LogError unless the event stands at `start` of the file."""
    if (start + event.size) % _POSITIONS != event.end:
        raise LogError(
            f"The event at {file}:{start} says that it ends at {event.end}, and has {event.size} bytes.",
            "A log that is encrypted at rest (encrypt_binlog) can't be shipped. Else the log is damaged: "
            "look at the server's log.",
        )


@dataclass(frozen=True)
class Gtid:
    """The global transaction id at the head of a group of events, which is committed as a whole.

    `alone`: one statement that commits by itself. `xid`: the id of a transaction of XA, as bytes; `ends`: it
    was prepared before, and is committed or rolled back here.
    """

    domain: int
    server: int
    sequence: int
    alone: bool
    xid: bytes = b""
    ends: bool = False

    def __str__(self) -> str:
        return f"{self.domain}-{self.server}-{self.sequence}"


def gtid_of(event: Event) -> Gtid:
    """The id in an event of kind GTID."""
    sequence, domain, flags = _GTID.unpack_from(event.raw, _HEADER_SIZE)
    (server,) = struct.unpack_from("<I", event.raw, 5)
    xid = b""
    if flags & (_PREPARES | _ENDS):
        start = _HEADER_SIZE + _GTID.size + (8 if flags & _IN_GROUP_COMMIT else 0)
        xid = event.raw[start : start + 6 + sum(event.raw[start + 4 : start + 6])]
    return Gtid(domain, server, sequence, bool(flags & _ALONE), xid, bool(flags & _ENDS))


def gtid_event(like: Event, gtid: Gtid, checksummed: bool) -> Event:
    """The head of an ordinary transaction of that id."""
    body = _GTID.pack(gtid.sequence, gtid.domain, _TRANSACTIONAL) + bytes(6)
    return _event(like, Kind.GTID, body, checksummed)


def commit_event(like: Event, checksummed: bool) -> Event:
    """The end of an ordinary transaction."""
    return _event(like, Kind.XID, bytes(8), checksummed)


def resummed(event: Event, was: bool, checksummed: bool) -> Event:
    """The same event with or without a checksum."""
    return event if was == checksummed else _event(event, event.kind, event.body(was), checksummed)


def _event(like: Event, kind: int, body: bytes, checksummed: bool) -> Event:
    size = _HEADER_SIZE + len(body) + (_CHECKSUM if checksummed else 0)
    (server,) = struct.unpack_from("<I", like.raw, 5)
    raw = _HEADER.pack(like.stamp, kind, server, size, like.end, like.flags) + body
    return parse(raw + zlib.crc32(raw).to_bytes(_CHECKSUM, "little") if checksummed else raw)


def digest_of(event: Event) -> str:
    """What an event is known by."""
    return hashlib.sha256(event.raw).hexdigest()[:16]


def rotated_to(event: Event, checksummed: bool) -> tuple[str, int]:
    """The file and position at which the log goes on, as an event of kind ROTATE says."""
    body = event.body(checksummed)
    return body[8:].decode("utf-8"), int.from_bytes(body[:8], "little")


def query_of(event: Event, checksummed: bool) -> tuple[str, bytes]:
    """The default database and the text of a statement in an event of kind QUERY."""
    body = event.body(checksummed)
    database_size = body[8]
    (variables,) = struct.unpack_from("<H", body, 11)
    start = 13 + variables
    if event.kind == Kind.QUERY_COMPRESSED:
        packed = body[start + database_size + 1 :]
        text = zlib.decompress(packed[1 + (packed[0] & 0x07) :])
    else:
        text = body[start + database_size + 1 :]
    return body[start : start + database_size].decode("utf-8", "replace"), text


def table_of(event: Event, checksummed: bool) -> tuple[int, str]:
    """The number of a table and its database, in an event of kind TABLE_MAP."""
    body = event.body(checksummed)
    size = body[8]
    return int.from_bytes(body[:6], "little"), body[9 : 9 + size].decode("utf-8", "replace")


def rows_table(event: Event) -> tuple[int, bool]:
    """The number of the table whose rows an event holds, and whether its statement ends with it."""
    body = event.raw[_HEADER_SIZE : _HEADER_SIZE + 8]
    return int.from_bytes(body[:6], "little"), bool(body[6] & 1)


def ending_statement(event: Event, checksummed: bool) -> Event:
    """The same event of rows, as the last one of its statement."""
    raw = bytearray(event.raw)
    raw[_HEADER_SIZE + 6] |= 1
    if checksummed:
        raw[-_CHECKSUM:] = zlib.crc32(raw[:-_CHECKSUM]).to_bytes(_CHECKSUM, "little")
    return parse(bytes(raw))


class Splitter:
    """Bytes of a file, piece by piece, into events."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that are whole by now. Raises LogError."""
        self._rest += data
        at = 0
        while len(self._rest) - at >= _HEADER_SIZE:
            size = int.from_bytes(self._rest[at + 9 : at + 13], "little")
            if size < _HEADER_SIZE:
                raise LogError(f"An event of the binary log says that it has {size} bytes only.")
            if len(self._rest) - at < size:
                break
            yield parse(bytes(self._rest[at : at + size]))
            at += size
        del self._rest[:at]

    def finish(self) -> None:
        """Raise LogError if the bytes end within an event."""
        if self._rest:
            raise LogError(f"The piece ends with {len(self._rest)} bytes of an event that is not whole.")
