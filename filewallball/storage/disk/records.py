"""How keys and values are laid out in the engine's trees.

values: a stored key to a head and the value.
order: a number to a stored key; the lowest was used longest ago.
expiry: the time when a record runs out, and its number, to a stored key.
pieces: the parts of large values.
about: clock and counters.
"""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

TREES = (b"values", b"order", b"expiry", b"pieces", b"about")

HEAD = struct.Struct("<dQIIII")
"""When it runs out, number, second of its last use, checksum, how many pieces, length of a key after it."""
NUMBER = struct.Struct(">Q")
MOMENT = struct.Struct(">QQ")
PIECE = struct.Struct(">QI")
LARGE = struct.Struct("<QQ")
"""What stands for a value in pieces: the number of its pieces, and the size of all of them."""

NEVER = math.inf
INLINE = 3_900
"""A larger value is kept in pieces. So all takes single pages, and no free page is too small for anything."""
PIECE_BYTES = 4_080
"""What is left of a page for a piece."""
EXPIRY_SECONDS = 16
"""How finely the times of expiry are indexed: a record that is written again and again stays in its place."""

_SHORT, _LONG = b"k", b"l"
_MOST = 500
_KEPT = 400
"""The engine takes keys up to 511 bytes. Of a longer one it gets the beginning, to order it, and a digest."""


class Head(NamedTuple):
    expires: float
    number: int
    used: int
    checksum: int
    pieces: int
    key_length: int


def stored_key(key: bytes) -> bytes:
    """The key in the tree."""
    if len(key) <= _MOST:
        return _SHORT + key
    return _LONG + key[:_KEPT] + hashlib.blake2b(key, digest_size=32).digest()


def is_long(stored: bytes) -> bool:
    return stored[:1] == _LONG


def ranges(prefix: bytes) -> Iterator[bytes]:
    """Where to look for keys that begin so: what their stored keys begin with."""
    if len(prefix) <= _MOST:
        yield _SHORT + prefix
    yield _LONG + prefix[:_KEPT]


def head_of(record: bytes) -> Head:
    return Head(*HEAD.unpack_from(record))


def apart(record: bytes) -> bool:
    """Whether its key is in the pieces, before the value: a long one would need several pages together."""
    head = head_of(record)
    return head.pieces > 0 < head.key_length and len(record) == HEAD.size + LARGE.size


def body_of(record: bytes) -> bytes:
    """The value, or what stands for it."""
    return record[HEAD.size + (0 if apart(record) else head_of(record).key_length) :]


def made(
    expires: float, number: int, used: int, pieces: int, key: bytes, body: bytes, checksum: int
) -> bytes:
    """A record. `key`: only if the stored key doesn't tell it."""
    return HEAD.pack(expires, number, used, checksum, pieces, len(key)) + key + body


def checksum(stored: bytes, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(stored))


def moment(expires: float) -> int:
    """The step of the index in which the record has run out, whatever second of it."""
    return int(expires) // EXPIRY_SECONDS + 1


def whole(number: bytes) -> int | None:
    """Decimal digits within 64 bits, or None."""
    digits = number[1:] if number[:1] == b"-" else number
    if not 0 < len(digits) < 20 or not digits.isdigit() or (digits[:1] == b"0" and number != b"0"):
        return None
    value = int(number)
    return value if -(2**63) <= value < 2**63 else None
