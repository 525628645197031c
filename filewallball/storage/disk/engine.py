"""The engine, LMDB, open on one store."""

from __future__ import annotations

import json
import os
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb
from lmdb import verify

from filewallball.storage.disk import clock, places
from filewallball.storage.disk.records import TREES
from filewallball.storage.disk.trees import Trees
from filewallball.storage.errors import Damaged, StorageError, Unavailable

LOOKED_THROUGH = 128 << 20
"""Up to this many bytes are looked through, where only somebody else's change could have done harm."""
MOST_TOUCHED = 10_000
"""So many last uses are remembered until they are written down."""
_READERS = 510
_GATES = 13


@dataclass
class Tally:
    """What is counted in this process until it is written down with a later change."""

    hits: int = 0
    misses: int = 0
    evicted: int = 0
    expired: int = 0
    touched: dict[bytes, None] = field(default_factory=dict[bytes, None])
    due: float = 0.0


@dataclass
class Opened:
    """`users`: how many backends of this process share it. `writing`: held while this process writes."""

    store: Path
    env: lmdb.Environment
    trees: Trees
    now: Callable[[], float]
    durable: bool
    in_use: int
    difference: float
    boot: str
    file: tuple[int, int] = (0, 0)
    """Device and number of the file that is open; a new one can get the same after it was closed."""
    over: bool = False
    tally: Tally = field(default_factory=Tally)
    users: int = 0
    writing: Any = field(default_factory=threading.RLock)
    reading: tuple[Any, ...] = field(default_factory=lambda: tuple(threading.RLock() for _ in range(_GATES)))

    def __post_init__(self) -> None:
        self.file = identity(self.store / places.DATA)

    def is_there(self) -> bool:
        """Whether the file in the folder is still the one that is open."""
        try:
            return not self.over and identity(self.store / places.DATA) == self.file
        except OSError:
            return False

    def gate(self) -> Any:
        """Held while this thread reads."""
        return self.reading[threading.get_ident() % _GATES]

    def hold(self, seconds: float = -1) -> bool:
        """Wait until no thread of this process is at work, and let none begin; -1: for ever.

        Whether it has come to that.
        """
        held: list[Any] = []
        for lock in (self.writing, *self.reading):
            if not lock.acquire(timeout=seconds):
                for each in held:
                    each.release()
                return False
            held.append(lock)
        return True

    def let_go(self) -> None:
        for lock in (self.writing, *self.reading):
            lock.release()

    def widen(self, file_size: int) -> None:
        """Somebody in this process wants more room than whoever opened it."""
        if self.env.info()["map_size"] < file_size:
            self.hold()
            try:
                self.env.set_mapsize(file_size)
            finally:
                self.let_go()

    def grown(self) -> None:
        """Another process uses a larger limit: take the file as it is now."""
        self.hold()
        try:
            self.env.set_mapsize(0)
        finally:
            self.let_go()


def identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def opened(store: Path, durable: bool, file_size: int) -> Opened:
    with places.opening(store):
        places.examine(store)
        in_use = places.opened(store / "in-use")
        try:
            places.share(in_use)
            boot = clock.boot()
            _trust(store, boot, in_use)
            env, trees = environment(store, durable=durable, file_size=file_size)
            difference = _clock(env, trees, boot)
        except BaseException:
            os.close(in_use)
            raise
        kind = places.file_system(store)
        if places.is_network(kind):
            warnings.warn(
                f"{store} is on a network file system ({kind}), where locks and mapped files can't be relied "
                "on. Choose a folder on a disk of this machine.",
                RuntimeWarning,
                stacklevel=6,
            )
        return Opened(store, env, trees, clock.ticking(difference), durable, in_use, difference, boot)


def environment(store: Path, *, durable: bool, file_size: int) -> tuple[lmdb.Environment, Trees]:
    """LMDB on the files of a folder, the way that this library uses it."""
    env = lmdb.open(
        str(store),
        map_size=file_size,
        mode=0o600,
        sync=durable,
        metasync=durable,
        max_dbs=len(TREES),
        max_readers=_READERS,
        max_spare_txns=0,
        lib_version=0,
    )
    return env, Trees(*(env.open_db(name) for name in TREES))


def _trust(store: Path, boot: str, in_use: int) -> None:
    """Look through files that were not closed in order: after a power cut or a change by somebody else.

    Of a killed process they are whole, so large ones are only looked at after the machine started anew.
    """
    data = store / places.DATA
    last = places.read(store / "boot").strip()
    if data.exists() and places.alone(in_use):
        trusted = last == seal(data) or (last == boot and data.stat().st_size > LOOKED_THROUGH)
        found = [] if trusted else problems(store)
        if found:
            data.replace(store / "damaged.mdb")
            (store / "lock.mdb").unlink(missing_ok=True)
            warnings.warn(
                f"The store in {store} is damaged ({found[0]}). It is kept as {store / 'damaged.mdb'}, and a "
                "new one begins empty.",
                RuntimeWarning,
                stacklevel=7,
            )
    places.share(in_use)
    if last != boot:
        places.write(store / "boot", boot)


def seal(data: Path) -> str:
    """What the file `boot` says of a store that was closed in order: how its data looked then."""
    found = data.stat()
    return f"{places.SYNCED} {found.st_size} {found.st_mtime_ns}"


def problems(store: Path) -> list[str]:
    """What is wrong in the structure of the files, read without the engine; nobody may write meanwhile."""
    try:
        looked: Any = verify  # its functions have no types
        return list(looked.verify(str(store), subdir=True))
    except verify.VerifyError as error:
        return [str(error)]


def _clock(env: lmdb.Environment, trees: Trees, boot: str) -> float:
    with env.begin(write=True) as txn:
        kept = txn.get(b"clock", db=trees.about)
        difference, new = clock.started(kept, boot, time.time(), clock.since_boot())
        if new != kept:
            txn.put(b"clock", new, db=trees.about)
    return difference


def told(error: Exception, folder: Path) -> StorageError:
    """What the engine said, in our words."""
    code = getattr(error, "code", 0)
    if isinstance(error, lmdb.DiskError) or code in (28, 122, 27):
        return places.full(folder)
    if isinstance(error, lmdb.ReadersFullError):
        return Unavailable(
            f"More than {_READERS} readers use {folder} at once. Use fewer threads or processes."
        )
    if isinstance(
        error, lmdb.CorruptedError | lmdb.InvalidError | lmdb.PageNotFoundError | lmdb.VersionMismatchError
    ):
        return Damaged(
            f"The store in {folder} is damaged ({error}). Run check(fix=True), or remove the folder."
        )
    if isinstance(error, lmdb.Error):
        return Unavailable(
            f"The store in {folder} can't be used: {error}. Look at the disk, and open it again."
        )
    return Damaged(f"The store in {folder} has something in it that can't be read. Run check(fix=True).")


def counted(opened: Opened, txn: Any) -> dict[str, int]:
    """What all processes have counted."""
    kept = txn.get(b"counts", db=opened.trees.about)
    found: dict[str, int] = json.loads(kept) if kept else {}
    return {name: int(found.get(name, 0)) for name in ("hits", "misses", "evicted", "expired")}
