"""Whose turn it is: the rules by which the record of a lock on disk changes."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice

from filewallball.storage.locks.ears import WATCHED, Ear, Ears
from filewallball.storage.locks.lockfile import NOBODY, WAITERS, LockFile, State, Waiter
from filewallball.storage.locks.tokens import Tokens, boot

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, and nobody can set it."""
_ALONE_SECONDS = 0.005
"""How long a waiting thread only listens, before it watches those ahead of it."""
_FULL_SECONDS = 0.01
"""The pause before another try to get into a queue that is full."""


def now() -> int:
    """Nanoseconds since the machine started."""
    return time.clock_gettime_ns(_CLOCK)


class Rules:
    """Whoever calls these has the lock's file to itself, and writes the record afterwards."""

    def __init__(self, ears: Ears, tokens: Tokens) -> None:
        self.ears = ears
        self._tokens = tokens
        self._boot = boot()

    def settle(self, file: LockFile, state: State) -> bytes | None:
        """Take it from a holder that is dead or over its time, for the next; whom to wake of it."""
        if state.boot != self._boot or not state.token:
            state.boot, state.ear, state.head = self._boot, NOBODY, state.tail
            state.token = max(state.token, self._tokens.start())
            file.write_name()
        if self.holds(state):
            return None
        state.ear = NOBODY
        return self.pass_on(file, state)

    def holds(self, state: State) -> bool:
        """Whether it is somebody's."""
        return (
            state.ear != NOBODY
            and state.boot == self._boot
            and state.deadline > now()
            and self.ears.lives(state.ear)
        )

    def pass_on(self, file: LockFile, state: State) -> bytes | None:
        """Give a free lock to the first who waits; whom to wake of it."""
        while state.head < state.tail:
            first = file.waiter(state.head)
            state.head += 1
            if first.waits:
                self.give(state, first)
                return first.ear
        return None

    def give(self, state: State, waiter: Waiter) -> None:
        """Make it the waiter's, with a token that nobody had."""
        state.token = self._tokens.after(state.token)
        state.ear, state.number, state.deadline = waiter.ear, waiter.number, now() + waiter.ttl

    def wake(self, file: LockFile, heir: bytes | None) -> None:
        """Tell the heir; if it is dead, the one after it. Not with the file to oneself."""
        while heir and not self.ears.wake(heir):
            heir = file.alone(lambda: self._after(file))

    def _after(self, file: LockFile) -> bytes | None:
        """The next heir, after one that is dead."""
        state = file.read()
        if state is None:
            return None
        heir = self.settle(file, state)
        file.write(state)
        return heir


@dataclass(frozen=True, slots=True)
class Waiting:
    """To be looked at again in so many seconds, or when the holder or one of those ahead dies."""

    seconds: float
    holder: bytes
    ahead: list[bytes]


@dataclass(frozen=True, slots=True)
class Pause:
    """Until `ear` is woken, or one of the watched dies; at most so many `seconds`."""

    ears: Ears
    ear: Ear
    seconds: float
    watched: Waiting | None

    def sleep(self) -> None:
        if self.watched is None:
            self.ear.listen(min(self.seconds, _ALONE_SECONDS), [])
            return
        with (
            suppress(ProcessLookupError),
            self.ears.watch(self.watched.holder, self.watched.ahead) as watched,
        ):
            self.ear.listen(self.seconds, watched)


class Turn:
    """A place in the queue of one lock."""

    def __init__(self, rules: Rules, me: Waiter) -> None:
        self._rules = rules
        self._me = me
        self._place: int | None = None
        self.file: LockFile | None = None

    def look(self, file: LockFile, state: State) -> tuple[State | Waiting, bytes | None]:
        """The lock, or how long to wait for it; stand in the queue meanwhile."""
        if file is not self.file:  # the first look, or the file was removed, and the place with it
            self.file, self._place = file, None
        heir = self._rules.settle(file, state)
        if state.ear == NOBODY:
            self._rules.give(state, self._me)
        if self._mine(state):
            file.write(state)
            return state, None
        if (self._place is None or self._place < state.head) and state.tail - state.head < WAITERS:
            self._place = state.tail
            file.put(self._place, self._me)
            state.tail += 1
        file.write(state)
        seconds = (state.deadline - now()) / 1e9
        if self._place is None:
            return Waiting(min(seconds, _FULL_SECONDS), state.ear, []), heir
        ahead = [each.ear for each in islice(file.queue(state, self._place), WATCHED)]
        return Waiting(seconds, state.ear, ahead), heir

    def leave(self) -> State | None:
        """Give up the place; if the lock has come meanwhile, it is the caller's."""
        file = self.file
        return None if file is None else file.alone(lambda: self._left(file))

    def _left(self, file: LockFile) -> State | None:
        state = file.read()
        if state and self._mine(state) and state.deadline > now():
            return state
        if state and self._place is not None and self._place >= state.head:
            file.put(self._place, replace(self._me, waits=0))
        return None

    def _mine(self, state: State) -> bool:
        return (state.ear, state.number) == (self._me.ear, self._me.number)
