"""Whether a store is whole: its structure, each value, and that all trees say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import lmdb

from filewallball.storage.disk import engine, places
from filewallball.storage.disk.records import (
    HEAD,
    LARGE,
    MOMENT,
    NEVER,
    NUMBER,
    PIECE,
    body_of,
    head_of,
    moment,
)
from filewallball.storage.disk.rescue import rescue, sound
from filewallball.storage.disk.trees import Trees, Txn
from filewallball.storage.errors import StorageError


@dataclass
class _Found:
    """What a look through the records has shown."""

    bad: list[bytes] = field(default_factory=list[bytes])
    good: list[tuple[int, bytes, float]] = field(default_factory=list[tuple[int, bytes, float]])
    pieces: set[bytes] = field(default_factory=set[bytes])


def check(opened: engine.Opened, file_size: int, *, fix: bool) -> list[str]:
    """What is wrong, one sentence each. `fix`: drop what can't be read, and make the rest whole again."""
    said = _around(opened)
    try:
        with opened.writing, opened.env.begin(opened.trees.values, None, True) as txn:
            broken = engine.problems(opened.store)
            if not broken:
                said += _records(txn, opened.trees, fix=fix)
    except lmdb.Error as error:
        broken = [str(error)]
    if broken:
        said.append(f"The structure of the store is damaged: {broken[0]}.")
        if fix:
            said.append(rescue(opened, file_size))
    return said


def _around(opened: engine.Opened) -> list[str]:
    said: list[str] = []
    kind = places.file_system(opened.store)
    if places.is_network(kind):
        said.append(
            f"{opened.store} is on a network file system ({kind}). Move it to a disk of this machine."
        )
    try:
        places.examine(opened.store)
    except StorageError as error:
        said.append(str(error))
    return said


def _records(txn: Txn, trees: Trees, *, fix: bool) -> list[str]:
    found = _walk(txn, trees)
    order = {NUMBER.pack(number): stored for number, stored, _ in found.good}
    expiry = {
        MOMENT.pack(moment(expires), number): stored
        for number, stored, expires in found.good
        if expires != NEVER
    }
    said: list[str] = []
    if found.bad:
        said.append(f"{len(found.bad)} values are not what was written. check(fix=True) drops them.")
    lost = [key for key, _ in _items(txn, trees.pieces) if key not in found.pieces]
    if lost:
        said.append(f"{len(lost)} parts of values belong to no value. check(fix=True) drops them.")
    same = dict(_items(txn, trees.order)) == order and dict(_items(txn, trees.expiry)) == expiry
    if len(order) != len(found.good) or not same:
        said.append("The order of use, or of expiry, doesn't fit the values. check(fix=True) makes it anew.")
    if said and fix:
        for stored in found.bad:
            txn.delete(stored)
        for key in lost:
            txn.delete(key, db=trees.pieces)
        _index(txn, trees, found)
    return said


def _walk(txn: Txn, trees: Trees) -> _Found:
    found = _Found()
    for stored, record in _items(txn, trees.values):
        if not sound(txn, trees, stored, record):
            found.bad.append(stored)
            continue
        head = head_of(record)
        found.good.append((head.number, stored, head.expires))
        if head.pieces:
            start, _ = LARGE.unpack(body_of(record))
            found.pieces |= {PIECE.pack(start, index) for index in range(head.pieces)}
    return found


def _index(txn: Txn, trees: Trees, found: _Found) -> None:
    """Make the trees of order and expiry anew, and number the records by them."""
    txn.drop(trees.order, delete=False)
    txn.drop(trees.expiry, delete=False)
    for number, (_, stored, expires) in enumerate(sorted(found.good), start=1):
        record = txn.get(stored) or b""
        head = head_of(record)._replace(number=number)
        txn.put(stored, HEAD.pack(*head) + record[HEAD.size :])
        txn.put(NUMBER.pack(number), stored, db=trees.order)
        if expires != NEVER:
            txn.put(MOMENT.pack(moment(expires), number), stored, db=trees.expiry)


def _items(txn: Txn, tree: object) -> Iterator[tuple[bytes, bytes]]:
    with txn.cursor(tree) as cursor:  # pyright: ignore[reportArgumentType]
        yield from cursor
