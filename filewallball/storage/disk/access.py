"""Reading and writing a store by transactions, with what is counted on the way."""

from __future__ import annotations

import atexit
import json
import struct
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import lmdb

from filewallball.storage.disk import clock, engine, room, shared
from filewallball.storage.disk.trees import Txn, touch
from filewallball.storage.errors import StorageError, Unavailable, WrongSetting

T = TypeVar("T")

ROOM_SECONDS = 10.0
"""How long a write waits for room."""
PAUSE_SECONDS = 0.002
TALLY_SECONDS = 1.0
"""How often counters and last uses are written down."""
SIZE_BYTES = 1 << 30

_all: weakref.WeakSet[Access] = weakref.WeakSet()


def _forget() -> None:
    for access in list(_all):
        access.forget()


def _close_all() -> None:
    """At the end of the process. What an application still does then opens the store once more."""
    for access in list(_all):
        with suppress(StorageError, OSError):
            access.let_go()


shared.on_fork(_forget)
atexit.register(_close_all)


class Access:
    """See DiskBackend, which has the same arguments."""

    def __init__(
        self,
        folder: str | Path,
        max_size: int = SIZE_BYTES,
        *,
        durable: bool = False,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < room.LEAST:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongSetting(
                f"max_size is {max_size!r}; it is a whole number of bytes, at least {room.LEAST}. "
                "Write 1073741824 for 1 GiB."
            )
        self.folder = Path(folder)
        self.max_size = max_size
        self._durable = durable
        self._clock = clock
        self._room = room.Room(max_size)
        self._inside = threading.local()
        self._opened: engine.Opened | None = None
        self._lock = threading.Lock()
        self._closed = False
        _all.add(self)
        self._open()

    def forget(self) -> None:
        """In a child after a fork: it opens the store for itself."""
        self._lock = threading.Lock()
        self._inside = threading.local()
        self._opened = None

    def close(self) -> None:
        """Write down what was counted. The last one to close brings everything to the disk."""
        self._closed = True
        self.let_go()

    def let_go(self) -> None:
        """As `close`; the next call opens it again."""
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            if opened.is_there():
                self._write_now(opened)
            shared.release(opened)

    def __del__(self) -> None:
        opened = getattr(self, "_opened", None)
        if opened is not None:
            shared.dropped.append(opened)

    def _there(self) -> engine.Opened:
        """The store, opened anew if its folder was removed, or another one was put in its place."""
        opened = self._opened or self._open()
        if opened.is_there():
            return opened
        with self._lock:
            if self._opened is opened:
                self._opened = None
        shared.abandon(opened)
        return self._open()

    def _open(self) -> engine.Opened:
        with self._lock:
            if self._closed:
                raise StorageError(f"The store in {self.folder} was closed. Open it again.")
            if self._opened is None:
                self._opened = shared.acquire(
                    self.folder, durable=self._durable, file_size=self._room.file_size
                )
            return self._opened

    def _time(self, opened: engine.Opened) -> float:
        return (self._clock or opened.now)()

    def _read(self, look: Callable[[Txn, engine.Opened, float], T]) -> T:
        """What `look` finds at one moment."""
        opened = self._opened or self._open()
        now = self._time(opened)
        try:
            try:
                return self._look(look, opened, now)
            except lmdb.ReadersFullError:
                with opened.gate():
                    opened.env.reader_check()  # those of processes that were killed
            except lmdb.MapResizedError:
                opened.grown()
            return self._look(look, opened, now)
        except (lmdb.Error, struct.error) as error:
            if not opened.is_there():
                self._there()
                return self._read(look)
            raise engine.told(error, self.folder) from error

    def _look(self, look: Callable[[Txn, engine.Opened, float], T], opened: engine.Opened, now: float) -> T:
        with opened.gate():
            txn = opened.env.begin(opened.trees.values)
            try:
                return look(txn, opened, now)
            finally:
                txn.abort()

    def _write(self, change: Callable[[Txn, engine.Opened, float], T], size: int = 0) -> T:
        """Do a change that writes so many bytes: all of it, or nothing."""
        opened = self._opened or self._open()
        if getattr(self._inside, "change", False):
            raise StorageError("A function given to change() writes to the store. It may only read.")
        now = self._time(opened)
        if now >= opened.tally.due:
            opened = self._there()
        deadline = 0.0
        while True:
            try:
                if deadline or self._room.due(size):
                    self._make_room(opened, size, now)
                with opened.writing, opened.env.begin(opened.trees.values, None, True) as txn:
                    done = change(txn, opened, now)
                    if now >= opened.tally.due:
                        self._write_down(opened, txn, now)
            except lmdb.MapResizedError:
                opened.grown()
            except lmdb.MapFullError as error:
                # Somebody reads what was there before, and so holds on to the pages of it.
                deadline = deadline or time.monotonic() + ROOM_SECONDS
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"There is no room in {self.folder}, since a reader holds on to what was deleted. "
                        "End readers that don't go on, or give a larger max_size."
                    ) from error
                opened.env.reader_check()
                time.sleep(PAUSE_SECONDS)
            except (lmdb.Error, struct.error) as error:
                if not opened.is_there():
                    opened = self._there()
                    continue
                raise engine.told(error, self.folder) from error
            else:
                return done

    def _make_room(self, opened: engine.Opened, size: int, now: float) -> None:
        more = True
        while more:
            with opened.writing, opened.env.begin(opened.trees.values, None, True) as txn:
                more = self._room.make(txn, opened.trees, size, now, opened.tally)

    def _note(self, opened: engine.Opened) -> None:
        """Write down what was counted. A full disk must not fail a read."""
        if not getattr(self._inside, "change", False):
            with suppress(StorageError):
                self._write_now(self._there() if opened is self._opened else opened)

    def _write_now(self, opened: engine.Opened) -> None:
        now = self._time(opened)
        with (
            suppress(lmdb.Error, struct.error),
            opened.writing,
            opened.env.begin(opened.trees.values, None, True) as txn,
        ):
            self._write_down(opened, txn, now)

    def _write_down(self, opened: engine.Opened, txn: Txn, now: float) -> None:
        tally = opened.tally
        for stored in list(tally.touched)[: self._room.records]:
            tally.touched.pop(stored, None)
            touch(txn, opened.trees, stored, now)
        tally.due = now if tally.touched else now + TALLY_SECONDS
        counts = engine.counted(opened, txn)
        for name in counts:
            counts[name] += getattr(tally, name)
            setattr(tally, name, 0)
        txn.put(b"counts", json.dumps(counts).encode(), db=opened.trees.about)
        seen = clock.since_boot() + opened.difference
        txn.put(b"clock", clock.noted(opened.boot, opened.difference, seen), db=opened.trees.about)
