"""A value that one caller computes while the others wait, across threads, tasks, processes and machines."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from filewallball.storage import codec
from filewallball.storage.errors import Unavailable, WrongSetting
from filewallball.storage.logic.envelope import Entry
from filewallball.storage.logic.given import finite, lasting
from filewallball.storage.logic.values import AWAY, Keep, Values
from filewallball.storage.steps import Operation

LEASE = b"computing:"
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05


class _Under:
    """A computation under way in this thread or task, and those that it is a part of."""

    def __init__(self, computed: Computed, name: bytes) -> None:
        self.what: tuple[Computed, bytes] | None = (computed, name)
        self.around = _under.get()


_under: ContextVar[_Under | None] = ContextVar("filewallball.storage.computing", default=None)


class Computed:
    """`get_or_compute`."""

    def __init__(self, values: Values, chance: Callable[[], float] | None = None) -> None:
        self.values = values
        self.chance = chance or random.random  # noqa: S311 - no secret

    def get(
        self,
        key: str,
        function: Callable[[], Any],
        ttl: float | Keep | None,
        stale: float,
        beta: float,
        lease: float,
    ) -> Operation[Any]:
        values = self.values
        name, left = values.key(key), values.ttl_of(ttl)
        stale, beta, lease = finite("stale", stale, 0), finite("beta", beta, 0), lasting("lease", lease)
        self._no_circle(key, name)
        busy = values.prefix + LEASE + name[len(values.prefix) :]
        end = time.monotonic() + lease
        pause = FIRST_PAUSE
        while True:
            try:
                yield from values.settle(name)
                raw = yield lambda io: io.backend.get(name)
                entry = self._entry(raw)
                if entry and self._good(entry, beta):
                    values.counts.hits += 1
                    return codec.decode(entry.data)
                mine = uuid.uuid4().hex.encode()
                taken = yield lambda io, mine=mine: io.backend.set(busy, mine, lease, when="new")
            except AWAY:
                if not values.degrade:
                    raise
                values.counts.unavailable += 1
                values.counts.misses += 1
                return (yield from self._run(name, function))
            if taken:
                try:
                    return (yield from self._filled(name, function, left, stale, entry))
                finally:
                    yield from self._given_back(busy, mine)
            if entry:
                values.counts.hits += 1
                values.counts.stale += entry.left(values.now()) <= 0
                return codec.decode(entry.data)
            if time.monotonic() > end:  # whoever computes takes longer than the lease, or can't be heard of
                return (yield from self._filled(name, function, left, stale, None))
            yield lambda io, pause=pause: io.sleep(pause * (0.5 + random.random()))  # noqa: S311 - no secret
            pause = min(1.5 * pause, LONGEST_PAUSE)

    def _entry(self, raw: bytes | None) -> Entry | None:
        """A value that was set by other means is fresh for as long as it stands there."""
        if raw is None:
            return None
        return Entry.read(raw) or Entry(raw, float("inf"), 0.0, float("inf"))

    def _good(self, entry: Entry, beta: float) -> bool:
        now = self.values.now()
        if entry.left(now) <= 0:
            return False
        early = entry.cost > 0 and entry.early(now, beta, self.chance)
        self.values.counts.early += early
        return not early

    def _filled(
        self, name: bytes, function: Callable[[], Any], ttl: float | None, stale: float, old: Entry | None
    ) -> Operation[Any]:
        values = self.values
        try:
            now_there = self._entry((yield lambda io: io.backend.get(name)))
        except Unavailable:
            if not values.degrade:
                raise
            values.counts.unavailable += 1
            now_there = None
        if now_there and now_there != old and now_there.left(values.now()) > 0:
            values.counts.hits += 1  # somebody has just done it
            return codec.decode(now_there.data)
        values.counts.misses += 1
        started = time.monotonic()
        try:
            value = yield from self._run(name, function)
        except Exception:
            if old is None:
                raise
            values.counts.stale += 1
            return codec.decode(old.data)
        values.counts.computed += 1
        cost = time.monotonic() - started
        data = codec.encode(value)
        try:
            if ttl is None:
                yield lambda io: io.backend.set(name, data, None)
            else:
                entry = Entry(data, values.now() + ttl, cost, ttl)
                yield lambda io: io.backend.set(name, entry.raw(), ttl + stale)
        except AWAY:
            if not values.degrade:
                raise
            values.counts.unavailable += 1
        return value

    def _no_circle(self, key: str, name: bytes) -> None:
        """Raises WrongSetting if the value is being computed for itself: it would wait for itself."""
        under = _under.get()
        while under is not None:
            if under.what == (self, name):
                raise WrongSetting(
                    f"The function that computes {key!r} asks for {key!r} itself. Let it compute the value."
                )
            under = under.around

    def _run(self, name: bytes, function: Callable[[], Any]) -> Operation[Any]:
        under = _Under(self, name)
        _under.set(under)
        try:
            return (yield lambda io: io.run(function))
        finally:
            under.what = None  # for tasks that it has left behind
            _under.set(under.around)

    def _given_back(self, busy: bytes, mine: bytes) -> Operation[None]:
        def without(held: bytes | None) -> bytes | None:
            return None if held == mine else held

        with suppress(Unavailable):  # the lease ends by itself
            yield lambda io: io.backend.change(busy, without)
