"""Copies of values, in this process's memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

PAST = 0.0
"""Seconds on the clock: a time that is over."""


class Copies:
    """At most `most` of them, the ones used last, each for `ttl` seconds at most. For any number of threads.

    A copy is made in two parts: `begin` before the server is asked, `keep` with its answer. What is forgotten
    in between is not kept: so no answer that was on its way stays after the news that it is out of date.
    """

    def __init__(self, most: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.ttl = ttl
        self.clock = clock
        self.hits = 0
        self.listening = False
        """Whether news arrive; else nothing is kept, and nothing is given."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._begun: dict[bytes, object] = {}

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self.forget_all(listening=False)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes) -> bytes | None:
        if not self.listening:
            return None
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if found[1] <= self.clock():
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            self.hits += 1
            return found[0]

    def begin(self, key: bytes) -> object:
        """What `keep` takes."""
        mark = object()
        with self._lock:
            if self.listening:
                self._begun[key] = mark
        return mark

    def keep(self, key: bytes, mark: object, value: bytes | None, left: float | None) -> None:
        """`value`: None where there is none. `left`: seconds that it has to live; None: for ever."""
        with self._lock:
            if self._begun.get(key) is not mark:
                return
            del self._begun[key]
            if value is None or not self.listening:
                return
            self._kept[key] = value, self.clock() + (self.ttl if left is None else min(left, self.ttl))
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)

    def forget(self, keys: Iterable[bytes]) -> None:
        with self._lock:
            for key in keys:
                self._kept.pop(key, None)
                self._begun.pop(key, None)

    def forget_all(self, *, listening: bool) -> None:
        with self._lock:
            self.listening = listening
            self._kept.clear()
            self._begun.clear()
