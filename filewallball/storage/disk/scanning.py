"""Keys in their order, some at a time: nobody holds on to a moment for long."""

from __future__ import annotations

from filewallball.storage.disk.records import head_of
from filewallball.storage.disk.trees import Trees, Txn, key_of

STEP = 500
"""How many keys are read at once."""


def some(
    txn: Txn, trees: Trees, start: bytes, after: bytes, prefix: bytes, most: int
) -> list[tuple[bytes, bytes]]:
    """The next records whose keys begin with the prefix."""
    found: list[tuple[bytes, bytes]] = []
    with txn.cursor() as cursor:
        going = cursor.set_range(after)
        while going and len(found) < most:
            stored, record = cursor.item()
            if not stored.startswith(start):
                break
            if key_of(txn, trees, stored, record).startswith(prefix):
                found.append((stored, record))
            going = cursor.next()
    return found


def page(
    txn: Txn, trees: Trees, start: bytes, after: bytes, prefix: bytes, now: float
) -> tuple[list[bytes], bytes | None]:
    """Some keys, and after which stored key it goes on; None: it doesn't."""
    found = some(txn, trees, start, after, prefix, STEP)
    keys = [key_of(txn, trees, stored, record) for stored, record in found if head_of(record).expires > now]
    return keys, found[-1][0] if len(found) == STEP else None
