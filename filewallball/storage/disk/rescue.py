"""What can still be read of a damaged store, in a new one.

The engine may end its process over a file that is damaged. So it reads in a process of its own:

    python -m filewallball.storage.disk.rescue FOLDER NEW_FOLDER BYTES forward
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import lmdb

from filewallball.storage.disk import engine, places
from filewallball.storage.disk.records import MOMENT, NEVER, checksum, head_of, is_long, moment
from filewallball.storage.disk.trees import Trees, Txn, key_of, put, value_of

_WRONG = (lmdb.Error, struct.error, ValueError, OverflowError)
_TOGETHER = 10
_SECONDS = 600


def rescue(opened: engine.Opened, file_size: int) -> str:
    """Put a new store in the place of the damaged one, which is kept as `damaged.mdb`. What was done."""
    store = opened.store
    with places.opening(store):
        if not places.alone(opened.in_use):
            return f"Other processes use {store}. End them, and run check(fix=True) again."
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=store))
        try:
            for way in ("forward", "back"):  # from both ends, for it may break off in the middle
                command = [sys.executable, "-m", __name__, str(store), str(part), str(file_size), way]
                subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
            opened.hold()
            try:
                opened.env.close()
                (store / places.DATA).replace(store / "damaged.mdb")
                (store / "lock.mdb").unlink(missing_ok=True)
                if (part / places.DATA).exists():
                    (part / places.DATA).replace(store / places.DATA)
                opened.env, opened.trees = engine.environment(
                    store, durable=opened.durable, file_size=file_size
                )
                opened.file = engine.identity(store / places.DATA)
            finally:
                opened.let_go()
        finally:
            shutil.rmtree(part, ignore_errors=True)
            places.share(opened.in_use)
    with opened.env.begin() as txn:
        count = txn.stat(opened.trees.values)["entries"]
    return f"{count} values were moved to a new store. The damaged one is kept as {store / 'damaged.mdb'}."


def copy(store: Path, part: Path, file_size: int, *, forward: bool) -> None:
    """Copy what is sound, some at a time: what was copied stays, whatever comes then."""
    new, there = engine.environment(part, durable=False, file_size=file_size)
    old, trees = engine.environment(store, durable=False, file_size=file_size)
    with old.begin(trees.values) as txn:
        some: list[tuple[bytes, bytes]] = []
        for stored, record in _readable(txn, trees, forward=forward):
            some.append((stored, record))
            if len(some) == _TOGETHER:
                _put(txn, trees, new, there, some)
                some.clear()
        _put(txn, trees, new, there, some)


def _put(
    old: Txn, trees: Trees, new: lmdb.Environment, there: Trees, some: list[tuple[bytes, bytes]]
) -> None:
    with new.begin(there.values, write=True) as into:
        for stored, record in some:
            head = head_of(record)
            key = key_of(old, trees, stored, record) if is_long(stored) else b""
            put(into, there, stored, value_of(old, trees, record), head.expires, head.used, key)


def _readable(txn: Txn, trees: Trees, *, forward: bool) -> Iterator[tuple[bytes, bytes]]:
    """Sound records, until it breaks off."""
    with suppress(*_WRONG), txn.cursor() as cursor:
        going = cursor.first() if forward else cursor.last()
        while going:
            stored, record = cursor.item()
            if sound(txn, trees, stored, record):
                yield stored, record
            going = cursor.next() if forward else cursor.prev()


def sound(txn: Txn, trees: Trees, stored: bytes, record: bytes) -> bool:
    """Whether a record is what was written."""
    try:
        head = head_of(record)
        if head.expires != NEVER:
            MOMENT.pack(moment(head.expires), head.number)
        return checksum(stored, value_of(txn, trees, record)) == head.checksum
    except _WRONG:
        return False


if __name__ == "__main__":
    copy(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), forward=sys.argv[4] == "forward")
