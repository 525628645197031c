"""What an RDB file says it holds, read without a server: the keys of each database and when they expire.

Values are stepped over, not understood: the file's own checksum, which the server that loads it verifies,
covers them. The format: valkey/src/rdb.c and rdb.h of Valkey 8.1 (RDB version 11).
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filewallball.errors import UserError
from filewallball.valkey.snapshots.digest import Digest

VERSIONS = range(9, 12)
"""RDB versions that this reader knows: Redis 5 to 7.2, Valkey 7.2 to 8.1."""

_FUNCTION, _SLOT_INFO, _MODULE_AUX, _IDLE, _FREQUENCY = 0xF5, 0xF4, 0xF7, 0xF8, 0xF9
_AUX, _RESIZE, _EXPIRE_MS, _EXPIRE_SECONDS, _SELECT, _END = 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
_ONE_STRING: Final = frozenset({0, 9, 10, 11, 12, 13, 16, 17, 20})
_STREAMS: Final = {15: 1, 19: 2, 21: 3}
_CHECKSUM_BYTES = 8


class RdbError(UserError):
    """The file is no RDB file that this program can read to its end."""


@dataclass
class Database:
    """One database as the file has it. `outline`: the digest of its keys and of when they expire."""

    keys: int
    expires: int
    outline: Digest


def read(path: Path) -> dict[int, Database]:
    """The databases in a file, by number. Raises RdbError."""
    if path.stat().st_size == 0:
        raise RdbError("The file is empty.")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Reader(data).databases()
        except (IndexError, struct.error) as error:
            raise RdbError("The file is cut off.") from error


def decompress(packed: bytes, size: int) -> bytes:
    """Undo LZF (liblzf's lzf_d.c). Raises RdbError if the result isn't of the given size."""
    out = bytearray()
    at = 0
    while at < len(packed):
        control = packed[at]
        at += 1
        if control < 32:
            out += packed[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += packed[at]
            at += 1
        start = len(out) - ((control & 31) << 8) - packed[at] - 1
        at += 1
        for _ in range(length + 2):  # may overlap what it writes
            out.append(out[start])
            start += 1
    if len(out) != size:
        raise RdbError("A compressed key is damaged.")
    return bytes(out)


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 9

    def databases(self) -> dict[int, Database]:
        magic, version = self._data[:5], self._data[5:9]
        if magic != b"REDIS" or len(version) != 4 or not version.isdigit():
            raise RdbError("The file is no RDB file.")
        if int(version) not in VERSIONS:
            raise RdbError(
                f"The file is of RDB version {int(version)}; known are {VERSIONS[0]} to {VERSIONS[-1]}.",
                "Take snapshots with a FileWallBall that knows the version of valkey.image.",
            )
        found: dict[int, Database] = {}
        current = self._database(found, 0)
        expires: int | None = None
        while (code := self._byte()) != _END:
            if code == _SELECT:
                current = self._database(found, self._length())
            elif code == _EXPIRE_MS:
                expires = int.from_bytes(self._take(8), "little", signed=True)
            elif code == _EXPIRE_SECONDS:
                expires = 1000 * int.from_bytes(self._take(4), "little", signed=True)
            elif not self._about(code):
                current.outline.add(self._string(), expires)
                current.keys += 1
                current.expires += expires is not None
                expires = None
                self._skip_value(code)
        self._take(_CHECKSUM_BYTES)
        if self._at != len(self._data):
            raise RdbError("Something follows the file's end.")
        return {number: one for number, one in found.items() if one.keys}

    @staticmethod
    def _database(found: dict[int, Database], number: int) -> Database:
        return found.setdefault(number, Database(0, 0, Digest(number)))

    def _about(self, code: int) -> bool:
        """Step over what is no key; False if a key follows."""
        if code == _AUX:
            self._skip_strings(2)
        elif code == _RESIZE:
            self._skip_lengths(2)
        elif code == _SLOT_INFO:
            self._skip_lengths(3)
        elif code == _IDLE:
            self._length()
        elif code == _FREQUENCY:
            self._take(1)
        elif code == _FUNCTION:
            self._skip_strings(1)
        else:
            return False
        return True

    def _skip_value(self, kind: int) -> None:
        if kind in _ONE_STRING:
            self._skip_strings(1)
        elif kind in (1, 2, 14):  # list, set, quicklist of ziplists
            self._skip_strings(self._length())
        elif kind == 4:
            self._skip_strings(2 * self._length())
        elif kind == 3:
            for _ in range(self._length()):
                self._skip_strings(1)
                length = self._byte()
                self._take(length if length < 253 else 0)
        elif kind == 5:
            for _ in range(self._length()):
                self._skip_strings(1)
                self._take(8)
        elif kind == 18:
            for _ in range(self._length()):
                self._length()
                self._skip_strings(1)
        elif kind in _STREAMS:
            self._skip_stream(_STREAMS[kind])
        else:
            what = "a module's value" if kind in (6, 7, _MODULE_AUX) else f"a value of unknown type {kind}"
            raise RdbError(f"The file holds {what}.", "Snapshots hold what Valkey 8.1 itself can keep.")

    def _skip_stream(self, version: int) -> None:
        self._skip_strings(2 * self._length())
        # Number of entries and last id; later versions: first id, largest deleted id, entries ever added.
        self._skip_lengths(3 if version == 1 else 8)
        for _ in range(self._length()):
            self._skip_strings(1)
            self._skip_lengths(2 if version == 1 else 3)
            for _ in range(self._length()):
                self._take(16 + 8)  # id, delivery time
                self._length()
            for _ in range(self._length()):
                self._skip_strings(1)
                self._take(8 if version < 3 else 16)
                self._take(16 * self._length())

    def _skip_lengths(self, count: int) -> None:
        for _ in range(count):
            self._length()

    def _skip_strings(self, count: int) -> None:
        for _ in range(count):
            length, special = self._prefix()
            if not special:
                self._take(length)
            elif length < 3:
                self._take(1 << length)
            else:
                packed = self._length()
                self._length()
                self._take(packed)

    def _string(self) -> bytes:
        length, special = self._prefix()
        if not special:
            return self._take(length)
        if length < 3:
            return b"%d" % int.from_bytes(self._take(1 << length), "little", signed=True)
        packed, size = self._length(), self._length()
        return decompress(self._take(packed), size)

    def _length(self) -> int:
        length, special = self._prefix()
        if special:
            raise RdbError(f"The file is damaged at byte {self._at}.")
        return length

    def _prefix(self) -> tuple[int, bool]:
        """A length, or the kind of a specially encoded string: 0 to 2 an integer, 3 compressed."""
        first = self._byte()
        kind, low = first >> 6, first & 63
        if kind == 0:
            return low, False
        if kind == 1:
            return low << 8 | self._byte(), False
        if kind == 3 and low < 4:
            return low, True
        if first in (0x80, 0x81):
            return int.from_bytes(self._take(4 if first == 0x80 else 8), "big"), False
        raise RdbError(f"The file is damaged at byte {self._at}.")

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise RdbError("The file is cut off.")
        piece = self._data[self._at : end]
        self._at = end
        return piece
