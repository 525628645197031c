"""The file of one lock: who holds it until when, who waits, and the last token.

A record at its beginning, the lock's name, and a ring of those who wait. Whoever changes it has the kernel's
lock on it for these microseconds; the kernel frees that when a process dies. Each change is one write within
a page, or two of which the second makes the first count, so that a process killed in between breaks nothing.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filewallball.storage.errors import Damaged, Unavailable, WrongValue

T = TypeVar("T")
NOBODY = bytes(16)
WAITERS = 1024
"""How many can stand in the queue of one lock."""
NAME_BYTES = 2048
"""The longest name."""
PATIENCE_SECONDS = 5.0
"""How long a change by another process may take: it lasts microseconds, unless that process is frozen."""
FORMAT = b"FWBLOCK1"
_RECORD = struct.Struct("<8s16sQ16sQQQQQ")
_NAME = 256
_QUEUE = 4096
_ENTRY = struct.Struct("<16sQQQ")
_STRIDE = 64
_TRIES = 20


def alone(fd: int, path: Path) -> None:
    """Take the kernel's lock on a file, for a moment. Raises Unavailable."""
    try:
        return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        until = time.monotonic() + PATIENCE_SECONDS
    for tries in itertools.count():
        with suppress(BlockingIOError):
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if tries < _TRIES:
            os.sched_yield()
        elif time.monotonic() < until:
            time.sleep(0.0001)
        else:
            break
    raise Unavailable(
        f"A process that was stopped in the middle of it keeps {path} to itself. "
        "Let that process go on, or end it."
    )


@dataclass(slots=True)
class State:
    """What the record says. Times are nanoseconds since the machine started; `boot` names that start."""

    boot: bytes
    token: int
    ear: bytes
    """How its holder is reached: see ears.py. NOBODY: it is free."""
    number: int
    """Tells apart what one process asked for."""
    deadline: int
    head: int
    tail: int
    """Those who wait have the places from head to before tail."""
    retired: int = 0


@dataclass(frozen=True, slots=True)
class Waiter:
    """A place in the queue; `waits`: whether somebody still stands there."""

    ear: bytes
    number: int
    ttl: int
    waits: int = 1


_all: weakref.WeakSet[LockFile] = weakref.WeakSet()


class LockFile:
    """What reads or changes the file does so by `alone`, but for the name."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        """Without a name: one that is there. Raises OSError, WrongValue."""
        self.path = path
        self.fd = -1
        self._mutex = threading.Lock()
        _all.add(self)
        self._name = b"" if name is None else name.encode("utf-8", "surrogatepass")
        if len(self._name) > NAME_BYTES:
            raise WrongValue(
                f"The name of a lock has {len(self._name)} bytes. Use one of at most {NAME_BYTES}."
            )
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (0 if name is None else os.O_CREAT)
        try:
            self.fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            if name is None:
                raise
            for each in reversed(path.parents[:3]):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.fd = os.open(path, flags, 0o600)

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    __del__ = close

    def alone(self, work: Callable[[], T]) -> T:
        """What `work` returns; nobody else, of no thread and no process, reads or changes it meanwhile.

        Not a context manager: a signal whose handler raises can end its `__exit__` before the first line.
        """
        with self._mutex:
            try:
                alone(self.fd, self.path)
                return work()
            finally:
                fcntl.flock(self.fd, fcntl.LOCK_UN)

    def read(self) -> State | None:
        """The record, all zeros if there is none yet; None if the file was removed, and another one counts.

        Raises Damaged.
        """
        if not os.fstat(self.fd).st_nlink:
            return None
        found = os.pread(self.fd, _RECORD.size, 0)
        if len(found) < _RECORD.size or found[:8] != FORMAT:
            if found.strip(b"\0"):
                raise Damaged(
                    f"{self.path} is no lock of this version. Remove the folder of the locks "
                    "while no application uses it."
                )
            return State(NOBODY, 0, NOBODY, 0, 0, 0, 0)
        state = State(*_RECORD.unpack(found)[1:])
        return None if state.retired else state

    def write(self, state: State) -> None:
        """Raises Unavailable."""
        boot, token, ear, number = state.boot, state.token, state.ear, state.number
        rest = (state.deadline, state.head, state.tail, state.retired)
        self._put(_RECORD.pack(FORMAT, boot, token, ear, number, *rest), 0)

    def _put(self, data: bytes, offset: int) -> None:
        try:
            os.pwrite(self.fd, data, offset)
        except OSError as error:
            raise Unavailable(
                f"The lock in {self.path} can't be written: {error.strerror}. Make room there."
            ) from error

    def write_name(self) -> None:
        if self._name:
            self._put(struct.pack("<H", len(self._name)) + self._name, _NAME)

    def name(self) -> str:
        if self._name:
            return self._name.decode("utf-8", "surrogatepass")
        found = os.pread(self.fd, NAME_BYTES + 2, _NAME)
        return found[2 : 2 + int.from_bytes(found[:2], "little")].decode("utf-8", "surrogatepass")

    def waiter(self, place: int) -> Waiter:
        offset = _QUEUE + place % WAITERS * _STRIDE
        return Waiter(*_ENTRY.unpack(os.pread(self.fd, _ENTRY.size, offset)))

    def queue(self, state: State, before: int) -> Iterator[Waiter]:
        """Those who wait at the places below `before`."""
        place, end = state.head, min(before, state.tail)
        while place < end:
            start = place % WAITERS
            count = min(end - place, WAITERS - start)
            found = os.pread(self.fd, count * _STRIDE, _QUEUE + start * _STRIDE)
            for offset in range(0, count * _STRIDE, _STRIDE):
                waiter = Waiter(*_ENTRY.unpack_from(found, offset))
                if waiter.waits:
                    yield waiter
            place += count

    def put(self, place: int, waiter: Waiter) -> None:
        """Counts once the record's tail is beyond it. Raises Unavailable."""
        entry = _ENTRY.pack(waiter.ear, waiter.number, waiter.ttl, waiter.waits)
        self._put(entry, _QUEUE + place % WAITERS * _STRIDE)


def _after_fork() -> None:
    """What the kernel keeps for an open file would be the parent's and the child's."""
    for each in list(_all):
        each.close()


os.register_at_fork(after_in_child=_after_fork)
