"""One record, within a transaction."""

from __future__ import annotations

from filewallball.storage.disk.engine import Opened
from filewallball.storage.disk.records import NEVER, head_of, is_long
from filewallball.storage.disk.trees import Txn, put, remove

LONGEST = 1e12
"""A time to live of more seconds is for ever."""


def expires(now: float, ttl: float | None) -> float:
    return NEVER if ttl is None or ttl > LONGEST else now + ttl


def live(txn: Txn, stored: bytes, now: float) -> bytes | None:
    record = txn.get(stored)
    return None if record is None or head_of(record).expires <= now else record


def store(
    txn: Txn, opened: Opened, key: bytes, stored: bytes, value: bytes, expires: float, now: float
) -> None:
    if expires <= now:
        removed(txn, opened, stored, now)
    else:
        put(txn, opened.trees, stored, value, expires, now, key if is_long(stored) else b"")


def removed(txn: Txn, opened: Opened, stored: bytes, now: float) -> bool:
    """Delete; whether it was still there."""
    record = txn.get(stored)
    if record is None:
        return False
    remove(txn, opened.trees, stored, record)
    return head_of(record).expires > now
