"""How processes wake each other, and learn of each other's death: a named pipe each waiting thread.

Only its owner opens it for reading, so that the kernel itself says whether the owner lives: without a reader
it can't be opened for writing, and who has it open already is told when the reader goes.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from filewallball.storage.errors import Unavailable

NEW = ".new"
"""How the name of a pipe ends that its owner hasn't opened yet."""
WATCHED = 64
"""How many of those ahead a waiting thread watches."""
_MAX_SECONDS = 1.0
"""After this at the latest a waiting thread looks by itself: whoever had to wake it may be frozen."""


class Ear:
    """`id`: 16 random bytes, never used again. The pipe stays open until the process ends."""

    def __init__(self, folder: Path) -> None:
        self.id = os.urandom(16)
        self.path = folder / self.id.hex()
        new = self.path.with_suffix(NEW)
        os.mkfifo(new, 0o600)
        self.fd = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        new.rename(self.path)

    def listen(self, seconds: float, watched: Iterable[int]) -> None:
        """Until somebody wakes it, one of the `watched` is without a reader, or the time is over."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        for fd in watched:
            poll.register(fd, 0)
        poll.poll(max(0.0, min(seconds, _MAX_SECONDS)) * 1000)
        self.hush()

    def hush(self) -> None:
        """Forget what was said."""
        with suppress(BlockingIOError):
            os.read(self.fd, 4096)


class Ears:
    """Those of this process, and how to reach all others."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mutex = threading.Lock()
        self._all: list[Ear] = []
        self._free: list[Ear] = []
        self._own: bytes | None = None

    @property
    def own(self) -> bytes:
        """One of this process, by which others see that it lives. Raises Unavailable."""
        if self._own is None:
            self._own = self._make().id
        return self._own

    def _make(self) -> Ear:
        while True:
            try:
                try:
                    ear = Ear(self._folder)
                except FileNotFoundError:
                    # the pipe was taken for a dead one's, or somebody removed the folder
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    continue
            except OSError as error:
                raise Unavailable(
                    f"No named pipe can be made in {self._folder}: {error.strerror}. "
                    "Put the locks into a folder of a local file system."
                ) from error
            with self._mutex:
                self._all.append(ear)
            return ear

    @contextmanager
    def borrow(self) -> Generator[Ear]:
        """One that nobody else listens to meanwhile."""
        with self._mutex:
            ear = self._free.pop() if self._free else None
        ear = ear or self._make()
        try:
            yield ear
        finally:
            self._free.append(ear)

    def wake(self, ear: bytes) -> bool:
        """Whether its process lives."""
        return self._speak(ear, b"!")

    def lives(self, ear: bytes) -> bool:
        return ear == self._own or self._speak(ear, b"")

    def _speak(self, ear: bytes, word: bytes) -> bool:
        try:
            fd = self._reach(ear)
        except ProcessLookupError:
            return False
        if fd is not None:
            try:
                os.write(fd, word)
            except BlockingIOError:  # it has words enough to wake up by
                pass
            except BrokenPipeError:
                return False
            finally:
                os.close(fd)
        return True

    def _reach(self, ear: bytes) -> int | None:
        """None: there was no way to ask. Raises ProcessLookupError of the dead."""
        try:
            return os.open(f"{self._folder}/{ear.hex()}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise ProcessLookupError from None
            return None

    @contextmanager
    def watch(self, holder: bytes, ahead: Iterable[bytes]) -> Generator[list[int]]:
        """What to listen to beside one's own. Raises ProcessLookupError if the holder is dead already."""
        fds: list[int] = []
        try:
            for ear in dict.fromkeys((holder, *ahead)):
                try:
                    fd = self._reach(ear)
                except ProcessLookupError:
                    if ear == holder:
                        raise
                    continue
                fds += [] if fd is None else [fd]
            yield fds
        finally:
            for fd in fds:
                os.close(fd)

    def dead(self) -> list[Path]:
        """The pipes whose owners have ended."""
        found: list[Path] = []
        for path in self._folder.glob("*"):  # it may have been removed
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            except OSError as error:
                if error.errno == errno.ENXIO and _old(path):
                    found.append(path)
        return found

    def close(self, *, forget: bool) -> None:
        """`forget`: remove the names, too; right only when no lock names them."""
        with self._mutex:
            ears, self._all, self._free = self._all, [], []
        for ear in ears:
            os.close(ear.fd)
            if forget:
                ear.path.unlink(missing_ok=True)


def _old(path: Path) -> bool:
    """Whether a pipe's owner has had time to open it."""
    try:
        return path.suffix != NEW or path.stat().st_mtime < time.time() - 60
    except FileNotFoundError:
        return False
