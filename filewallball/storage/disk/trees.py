"""Changes to the trees, each within a transaction of the caller's: all of it happens, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import lmdb

from filewallball.storage.disk.records import (
    HEAD,
    INLINE,
    LARGE,
    MOMENT,
    NEVER,
    NUMBER,
    PIECE,
    PIECE_BYTES,
    Head,
    apart,
    body_of,
    checksum,
    head_of,
    is_long,
    moment,
)

Txn: TypeAlias = "lmdb.Transaction[bytes]"
USE_SECONDS = 60
"""How finely the last use is told: a read within this time of the last one writes nothing."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Handles of the trees. A transaction's own tree is `values`."""

    values: Any
    order: Any
    expiry: Any
    pieces: Any
    about: Any


def put(
    txn: Txn, trees: Trees, stored: bytes, value: bytes, expires: float, now: float, key: bytes = b""
) -> None:
    """Write a value. `key`: the whole key, if the stored one is not."""
    used = int(now)
    number = 0
    indexed = False
    record = txn.get(stored)
    if record is not None:
        was_expires, was_number, was_used, _, pieces, _ = HEAD.unpack_from(record)
        if pieces:
            _drop_pieces(txn, trees, body_of(record), pieces)
        if used - was_used < USE_SECONDS:
            number = was_number
        else:
            txn.delete(NUMBER.pack(was_number), db=trees.order)
        if was_expires != NEVER:
            step = moment(was_expires)
            indexed = bool(number) and expires != NEVER and step == moment(expires)
            if not indexed:
                txn.delete(MOMENT.pack(step, was_number), db=trees.expiry)
    if not number:
        number = _append(txn, trees.order, stored)
    if expires != NEVER and not indexed:
        txn.put(MOMENT.pack(moment(expires), number), stored, db=trees.expiry)
    check = checksum(stored, value)
    if len(key) + len(value) <= INLINE:
        txn.put(stored, HEAD.pack(expires, number, used, check, 0, len(key)) + key + value)
        return
    body, count = _put_pieces(txn, trees, key + value)
    txn.put(stored, HEAD.pack(expires, number, used, check, count, len(key)) + body)


def value_of(txn: Txn, trees: Trees, record: bytes) -> bytes:
    """The value of a record. Raises lmdb.CorruptedError if a piece of it is missing."""
    head = head_of(record)
    if not head.pieces:
        return body_of(record)
    whole = _joined(txn, trees, record, head)
    return whole[head.key_length :] if apart(record) else whole


def key_of(txn: Txn, trees: Trees, stored: bytes, record: bytes) -> bytes:
    """The key as the caller gave it."""
    if not is_long(stored):
        return stored[1:]
    head = head_of(record)
    if apart(record):
        return _joined(txn, trees, record, head)[: head.key_length]
    return record[HEAD.size : HEAD.size + head.key_length]


def _joined(txn: Txn, trees: Trees, record: bytes, head: Head) -> bytes:
    start, size = LARGE.unpack(body_of(record))
    found = [txn.get(PIECE.pack(start, index), db=trees.pieces) for index in range(head.pieces)]
    whole = b"".join(piece for piece in found if piece is not None)
    if len(whole) != size:
        raise lmdb.CorruptedError("a value has lost a piece")
    return whole


def remove(txn: Txn, trees: Trees, stored: bytes, record: bytes) -> None:
    """Delete a record, and what belongs to it."""
    head = head_of(record)
    txn.delete(stored)
    txn.delete(NUMBER.pack(head.number), db=trees.order)
    if head.expires != NEVER:
        txn.delete(MOMENT.pack(moment(head.expires), head.number), db=trees.expiry)
    if head.pieces:
        _drop_pieces(txn, trees, body_of(record), head.pieces)


def touch(txn: Txn, trees: Trees, stored: bytes, now: float) -> None:
    """Note that a record was used: it goes to the end of the order."""
    record = txn.get(stored)
    if record is None:
        return
    head = head_of(record)
    if int(now) - head.used < USE_SECONDS:
        return
    txn.delete(NUMBER.pack(head.number), db=trees.order)
    number = _append(txn, trees.order, stored)
    if head.expires != NEVER:
        step = moment(head.expires)
        txn.delete(MOMENT.pack(step, head.number), db=trees.expiry)
        txn.put(MOMENT.pack(step, number), stored, db=trees.expiry)
    rest = record[HEAD.size :]
    txn.put(
        stored,
        HEAD.pack(head.expires, number, int(now), head.checksum, head.pieces, head.key_length) + rest,
    )


def pages(txn: Txn, trees: Trees) -> int:
    """How many pages are in use."""
    total = 0
    for tree in (trees.values, trees.order, trees.expiry, trees.pieces):
        stat = txn.stat(tree)
        total += stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
    return total


def expired(txn: Txn, trees: Trees, now: float, most: int) -> Sequence[bytes]:
    """Stored keys of records that may have run out, the oldest first; at most so many."""
    limit = MOMENT.pack(moment(now) + 1, 0)
    found: list[bytes] = []
    with txn.cursor(trees.expiry) as cursor:
        for key, stored in cursor:
            if key >= limit or len(found) == most:
                break
            found.append(stored)
    return found


def drop_expired(txn: Txn, trees: Trees, now: float, most: int) -> int:
    """Delete records that have run out; how many."""
    dropped = 0
    for stored in expired(txn, trees, now, most):
        record = txn.get(stored)
        if record is not None and head_of(record).expires <= now:
            remove(txn, trees, stored, record)
            dropped += 1
    return dropped


def drop_oldest(txn: Txn, trees: Trees, most: int) -> int:
    """Delete the records that were used longest ago; how many."""
    found: list[tuple[bytes, bytes]] = []
    with txn.cursor(trees.order) as cursor:
        for item in cursor:
            found.append(item)
            if len(found) == most:
                break
    for number, stored in found:
        record = txn.get(stored)
        if record is not None and head_of(record).number == NUMBER.unpack(number)[0]:
            remove(txn, trees, stored, record)
        else:
            txn.delete(number, db=trees.order)
    return len(found)


def _append(txn: Txn, tree: Any, stored: bytes) -> int:
    """The next number of a tree that is ordered by number, with this value."""
    with txn.cursor(tree) as cursor:
        number = NUMBER.unpack(cursor.key())[0] + 1 if cursor.last() else 1
        cursor.put(NUMBER.pack(number), stored, append=True)
    return number


def _put_pieces(txn: Txn, trees: Trees, value: bytes) -> tuple[bytes, int]:
    with txn.cursor(trees.pieces) as cursor:
        start = PIECE.unpack(cursor.key())[0] + 1 if cursor.last() else 1
        view = memoryview(value)
        parts = range(0, len(value), PIECE_BYTES)
        for index, offset in enumerate(parts):
            cursor.put(PIECE.pack(start, index), view[offset : offset + PIECE_BYTES], append=True)
    return LARGE.pack(start, len(value)), len(parts)


def _drop_pieces(txn: Txn, trees: Trees, body: bytes, count: int) -> None:
    start, _ = LARGE.unpack(body)
    for index in range(count):
        txn.delete(PIECE.pack(start, index), db=trees.pieces)
