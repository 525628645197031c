"""Locks in a folder, for the threads and processes of one machine. No server.

In the order of asking: whoever releases a lock hands it to the first who waits, and wakes them. A holder that
dies loses it at once, one that lives when its time to live is over. That time is counted by the machine's own
clock since its start, which nobody sets.
"""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import TypeVar

from filewallball.storage.errors import NotAcquired, NotHeld, StorageError, Unavailable, WrongSetting
from filewallball.storage.locks import cleaning
from filewallball.storage.locks.ears import Ear, Ears
from filewallball.storage.locks.given import called, span
from filewallball.storage.locks.lockfile import NOBODY, LockFile, State, Waiter
from filewallball.storage.locks.tokens import Tokens
from filewallball.storage.locks.turns import Pause, Rules, Turn, now

T = TypeVar("T")
_OPEN = 256
"""So many locks' files stay open between uses."""


class DiskHeld:
    """A lock that the caller has; of no child that forks."""

    __slots__ = ("_ear", "_ears", "_file", "_locks", "_number", "token")

    def __init__(self, locks: DiskLocks, file: LockFile, state: State) -> None:
        self.token = state.token
        self._ear = state.ear
        self._number = state.number
        self._file = file
        self._locks = locks
        self._ears = locks.ears

    def extend(self, ttl: float) -> None:
        """From now on. Raises NotHeld."""
        length = span(ttl)
        self._check()
        if not self._file.alone(lambda: self._extended(length)):
            raise self._lost()

    def _extended(self, length: int) -> bool:
        state = self._mine()
        if state is None or state.deadline <= now():
            return False
        state.deadline = now() + length
        self._file.write(state)
        return True

    def release(self) -> None:
        """Raises NotHeld if it was no longer the caller's."""
        self._check()
        self._locks.holding.discard(self._number)
        in_time, heir = self._file.alone(self._released)
        self._locks.rules.wake(self._file, heir)
        if not in_time:
            raise self._lost()

    def _released(self) -> tuple[bool, bytes | None]:
        """Whether it was still ours, and whom to wake."""
        state = self._mine()
        if state is None:
            return False, None
        in_time = state.deadline > now()
        state.ear = NOBODY
        heir = self._locks.rules.pass_on(self._file, state)
        self._file.write(state)
        return in_time, heir

    def _mine(self) -> State | None:
        state = self._file.read()
        return state if state and (state.number, state.ear) == (self._number, self._ear) else None

    def _check(self) -> None:
        if self._ears is not self._locks.ears:
            raise self._lost()

    def _lost(self) -> NotHeld:
        return NotHeld(
            f"The lock {self._file.name()!r} with the token {self.token} is no longer "
            "held here. Do the work again under a new one, with a longer time to live."
        )


class DiskLocks:
    """Locks by name, in a folder that nothing else uses. For any number of threads, and after a fork.

    The folder is of a local file system and of one machine; containers of it may share it.
    """

    def __init__(self, folder: Path) -> None:
        """Raises WrongSetting, Unavailable, Damaged."""
        self._folder = folder
        self._names = folder / "names"
        self._members = folder / "members"
        try:
            for each in (folder, self._names, self._members):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
            if found.st_uid != os.geteuid():
                raise WrongSetting(f"{folder} belongs to another user. Give the locks a folder of their own.")
            if found.st_mode & 0o077:
                folder.chmod(0o700)
            self._tokens = Tokens(folder)
        except OSError as error:
            raise Unavailable(
                f"The locks can't be kept in {folder}: {error.strerror}. Use a folder that can be written."
            ) from error
        self._numbers = count(1)
        self._begin()
        _instances.add(self)

    def _begin(self) -> None:
        self.ears = Ears(self._members)
        self.rules = Rules(self.ears, self._tokens)
        self.holding: set[int] = set()
        self._mutex = threading.Lock()
        self._files: OrderedDict[str, LockFile] = OrderedDict()
        self._end = weakref.finalize(self, _end, self.ears, self.holding)

    def after_fork(self) -> None:
        """In the child: it has none of the parent's locks, and must not keep them alive."""
        self._end.detach()
        self.ears.close(forget=False)
        self._begin()

    def close(self) -> None:
        """What this object still holds is free."""
        self._end()
        with self._mutex:
            self._files.clear()

    def acquire(self, name: str, ttl: float, wait: float | None = None) -> DiskHeld:
        """`wait`: at most so many seconds; None: for ever; 0: not at all. Raises NotAcquired, Unavailable."""
        with closing(self.steps(name, ttl, wait)) as steps:
            try:
                while True:
                    next(steps).sleep()
            except StopIteration as done:
                return done.value

    def steps(self, name: str, ttl: float, wait: float | None) -> Generator[Pause, None, DiskHeld]:
        """The same, in steps between which the caller has to wait."""
        length = span(ttl)
        until = math.inf if wait is None else time.monotonic() + wait
        number = next(self._numbers)
        me = Waiter(self.ears.own, number, length)
        try:
            file, state = self._now(name, lambda file, state: self._take(file, state, me))
        except StorageError:
            raise
        except BaseException:  # a signal's, perhaps when it was ours already
            self._forgo(name, me)
            raise
        if state is None and wait != 0:
            with self.ears.borrow() as ear:
                file, state = yield from self._wait(name, Waiter(ear.id, number, length), ear, until)
        if state is None:
            raise NotAcquired(
                f"Somebody else holds the lock {name!r}. Try again later, or wait longer than {wait} s."
            )
        self.holding.add(number)
        return DiskHeld(self, file, state)

    def _forgo(self, name: str, me: Waiter) -> None:
        """Give up what may have become ours."""
        with suppress(StorageError, OSError):
            file = self._open(name)
            state = file.alone(file.read)
            if state and (state.ear, state.number) == (me.ear, me.number):
                DiskHeld(self, file, state).release()

    def _now(
        self, name: str, step: Callable[[LockFile, State], tuple[T, bytes | None]]
    ) -> tuple[LockFile, T]:
        """Do a step with the lock's record; it says whom to wake."""
        while True:
            file = self._open(name)
            result = file.alone(lambda file=file: _done(file, step))
            if result is not None:
                self.rules.wake(file, result[1])
                return file, result[0]
            with self._mutex:
                if self._files.get(name) is file:
                    del self._files[name]

    def _open(self, name: str) -> LockFile:
        with self._mutex:
            file = self._files.get(name)
            if file is not None:
                self._files.move_to_end(name)
                return file
            path = self._path(name)
            try:
                file = LockFile(path, name)
            except OSError as error:
                raise Unavailable(
                    f"The lock {name!r} can't be kept in {path}: {error.strerror}. "
                    "Make room there, or use a folder that can be written."
                ) from error
            self._files[name] = file
            if len(self._files) > _OPEN:
                self._files.popitem(last=False)
            return file

    def _path(self, name: str) -> Path:
        digest = hashlib.blake2b(called(name).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return self._names / digest[:2] / digest[2:]

    def _take(self, file: LockFile, state: State, me: Waiter) -> tuple[State | None, bytes | None]:
        """If it is free, and nobody has been waiting longer."""
        heir = self.rules.settle(file, state)
        if state.ear != NOBODY:
            if heir:
                file.write(state)
            return None, heir
        self.rules.give(state, me)
        file.write(state)
        return state, None

    def _wait(
        self, name: str, me: Waiter, ear: Ear, until: float
    ) -> Generator[Pause, None, tuple[LockFile, State | None]]:
        turn = Turn(self.rules, me)
        watching = False
        try:
            while True:
                file, found = self._now(name, turn.look)
                if isinstance(found, State):
                    return file, found
                left = until - time.monotonic()
                if left <= 0:
                    return file, turn.leave()
                yield Pause(self.ears, ear, min(left, found.seconds), found if watching else None)
                watching = True
        except BaseException:
            state = turn.leave()
            if state and turn.file:
                DiskHeld(self, turn.file, state).release()
            raise

    def cleanup(self) -> int:
        """Remove what is left of locks that ran out, or whose holders died; how many."""
        return cleaning.cleanup(self._names, self.rules, self._tokens)

    def held(self) -> list[str]:
        """The names that somebody holds."""
        return cleaning.held(self._names, self.rules)


def _done(file: LockFile, step: Callable[[LockFile, State], T]) -> T | None:
    """None: the file was removed, and another one counts."""
    state = file.read()
    return None if state is None else step(file, state)


def _end(ears: Ears, holding: set[int]) -> None:
    ears.close(forget=not holding)


_instances: weakref.WeakSet[DiskLocks] = weakref.WeakSet()


def _after_fork() -> None:
    for each in list(_instances):
        each.after_fork()


os.register_at_fork(after_in_child=_after_fork)
