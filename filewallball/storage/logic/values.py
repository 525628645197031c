"""Values by key: read, written, counted, deleted."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from filewallball.storage import codec
from filewallball.storage.backend import When
from filewallball.storage.errors import Full, StorageError, Unavailable, WrongSetting, WrongValue
from filewallball.storage.logic.counts import Counts
from filewallball.storage.logic.envelope import Entry
from filewallball.storage.logic.given import many, seconds, whole
from filewallball.storage.steps import Operation

MOST_OWED = 10_000
PROBE_SECONDS = 10

Keep = Literal["default"]
AWAY = (Unavailable, Full)
"""What makes a call degrade, where that is asked for."""


class Values:
    """`prefix` stands before each key. `degrade`: reads miss and writes are dropped while the store is
    away."""

    def __init__(
        self,
        prefix: str = "",
        *,
        default_ttl: float | None = None,
        degrade: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.prefix = codec.plain(prefix, "prefix")
        self.default_ttl = seconds(default_ttl)
        self.degrade = degrade
        self.now = now
        self.counts = Counts()
        self._owed: OrderedDict[bytes, None] = OrderedDict()
        """Keys whose write or deletion was dropped: what stands there is out of date."""

    def key(self, key: str) -> bytes:
        if isinstance(key, str) and key:  # pyright: ignore[reportUnnecessaryIsInstance]
            try:
                return self.prefix + str.encode(key)
            except UnicodeEncodeError:
                pass
        raise WrongValue(
            f"The key {key!r} is not a text with at least one character. Write one such as 'user:1'."
        )

    def get(self, key: str, default: Any = None) -> Operation[Any]:
        raw = yield from self.raw(self.key(key))
        if raw is None:
            self.counts.misses += 1
            return default
        self.counts.hits += 1
        return codec.decode(raw)

    def raw(self, name: bytes) -> Operation[bytes | None]:
        """What stands there, without the frame of a value that was computed; None if that is out of date."""
        if self._owed and not (yield from self._paid(name)):
            return None
        try:
            raw = yield lambda io: io.backend.get(name)
        except AWAY:
            self._away()
            return None
        return self._fresh(raw)

    def get_many(self, keys: Iterable[str]) -> Operation[dict[str, Any]]:
        many("keys", keys)
        names = {key: self.key(key) for key in keys}
        if self._owed and not (yield from self._paid()):
            self.counts.misses += len(names)
            return {}
        try:
            found = yield lambda io: io.backend.get_many(list(names.values()))
        except AWAY:
            self._away()
            found = [None] * len(names)
        raws = {key: self._fresh(raw) for key, raw in zip(names, found, strict=True)}
        values = {key: codec.decode(raw) for key, raw in raws.items() if raw is not None}
        self.counts.hits += len(values)
        self.counts.misses += len(names) - len(values)
        return values

    def set(
        self, key: str, value: object, ttl: float | Keep | None = "default", when: When = "always"
    ) -> Operation[bool]:
        name, data, left = self.key(key), codec.encode(value), self.ttl_of(ttl)
        if when not in ("always", "new", "present"):
            raise WrongSetting(f"when is {when!r}. Write 'always', 'new' or 'present'.")
        self.counts.writes += 1
        try:
            written = yield lambda io: io.backend.set(name, data, left, when=when)
        except AWAY:
            self._away(name)
            return False
        if self._owed:
            self._owed.pop(name, None)
        return written

    def set_many(self, items: Mapping[str, object], ttl: float | Keep | None = "default") -> Operation[bool]:
        if not isinstance(items, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongValue(f"items is a {type(items).__name__}. Write a dict, such as {{'user:1': 1}}.")
        data = {self.key(key): codec.encode(value) for key, value in items.items()}
        left = self.ttl_of(ttl)
        if not data:
            return True
        self.counts.writes += len(data)
        try:
            yield lambda io: io.backend.set_many(data, left)
        except AWAY:
            self._away(*data)
            return False
        for name in data:
            self._owed.pop(name, None)
        return True

    def delete(self, keys: Iterable[str]) -> Operation[int]:
        many("keys", keys)
        names = list(dict.fromkeys(self.key(key) for key in keys))
        if not names:
            return 0
        self.counts.deletes += len(names)
        try:
            count = yield lambda io: io.backend.delete(names)
        except AWAY:
            self._away(*names)
            return 0
        for name in names:
            self._owed.pop(name, None)
        return count

    def exists(self, key: str) -> Operation[bool]:
        return (yield from self.raw(self.key(key))) is not None

    def ttl(self, key: str) -> Operation[float | None]:
        name = self.key(key)
        try:
            yield from self.settle(name)
            return (yield lambda io: io.backend.ttl(name))
        except KeyError:
            raise KeyError(key) from None
        except Unavailable:
            self._away()
            raise KeyError(key) from None

    def expire(self, key: str, ttl: float | None) -> Operation[bool]:
        name, left = self.key(key), seconds(ttl)
        try:
            yield from self.settle(name)
            return (yield lambda io: io.backend.expire(name, left))
        except AWAY:
            self._away(name)
            return False

    def add(self, key: str, amount: int, ttl: float | None = None, *, sign: int = 1) -> Operation[int]:
        name, number, left = self.key(key), sign * whole("amount", amount), seconds(ttl)
        self.counts.writes += 1
        yield from self.settle(name)
        return (yield lambda io: io.backend.add(name, number, left))

    def change(
        self, key: str, function: Callable[[Any], Any], ttl: float | Keep | None = "default"
    ) -> Operation[Any]:
        name, left = self.key(key), "keep" if ttl == "default" else seconds(ttl)

        def changed(raw: bytes | None) -> bytes | None:
            old = self._fresh(raw)
            new = function(None if old is None else codec.decode(old))
            return None if new is None else codec.encode(new)

        self.counts.writes += 1
        yield from self.settle(name)
        raw = yield lambda io: io.backend.change(name, changed, ttl=left)
        return None if raw is None else codec.decode(raw)

    def keys(self, prefix: str = "") -> Operation[list[str]]:
        beginning, cut = self.prefix + codec.plain(prefix, "prefix"), len(self.prefix)
        try:
            if self._owed:
                yield from self._settle_all()
            found = yield lambda io: io.backend.keys(beginning)
        except Unavailable:
            self._away()
            return []
        return sorted(name[cut:].decode(errors="replace") for name in found)

    def clear(self, prefix: str = "") -> Operation[int]:
        beginning = self.prefix + codec.plain(prefix, "prefix")
        if not beginning:
            raise WrongSetting(
                "This would delete every key of the store. Give a prefix to clear(), or to the storage."
            )
        return (yield lambda io: io.backend.clear(beginning))

    def stats(self) -> Operation[dict[str, Any]]:
        try:
            facts = dict((yield lambda io: io.backend.facts()))
        except Unavailable:
            facts = {}
        return {**self.counts.told(), "store": facts}

    def health(self) -> Operation[dict[str, Any]]:
        name = self.prefix + b"health:" + uuid.uuid4().hex.encode()
        started, error = time.perf_counter(), None
        try:
            yield lambda io: io.backend.set(name, b"1", PROBE_SECONDS)
            seen = yield lambda io: io.backend.get(name)
            yield lambda io: io.backend.delete([name])
            if seen != b"1":
                error = (
                    "A value that was written could not be read. Look at the store's memory and evictions."
                )
        except StorageError as raised:
            error = str(raised)
        latency = round(1000 * (time.perf_counter() - started), 3)
        status = "unhealthy" if error else "healthy"
        return {"status": status, "healthy": error is None, "latency_ms": latency, "error": error}

    def ttl_of(self, ttl: float | Keep | None) -> float | None:
        return self.default_ttl if ttl == "default" else seconds(ttl)

    def _fresh(self, raw: bytes | None) -> bytes | None:
        if raw is None or raw[:1] != b"!" or (entry := Entry.read(raw)) is None:
            return raw
        return entry.data if entry.left(self.now()) > 0 else None

    def changed(
        self, name: bytes, function: Callable[[bytes | None], bytes], ttl: float | Keep | None
    ) -> Operation[bool]:
        """Change what stands there in one step; whether it was done. `ttl` is kept unless given."""
        left = "keep" if ttl == "default" else self.ttl_of(ttl)
        self.counts.writes += 1
        try:
            yield from self.settle(name)
            yield lambda io: io.backend.change(name, function, ttl=left)
        except AWAY:
            self._away(name)
            return False
        return True

    def settle(self, name: bytes) -> Operation[None]:
        """Delete what is out of date, before something is made of it. Raises Unavailable."""
        if name in self._owed:
            yield from self._settle_all()

    def _settle_all(self) -> Operation[None]:
        names = list(self._owed)
        yield lambda io: io.backend.delete(names)
        for each in names:
            self._owed.pop(each, None)

    def _away(self, *names: bytes) -> None:
        """After Unavailable, which it lets through unless calls may degrade."""
        if not self.degrade:
            raise
        self.counts.unavailable += 1
        for name in names:
            self._owed[name] = None
            while len(self._owed) > MOST_OWED:
                self._owed.popitem(last=False)

    def _paid(self, name: bytes | None = None) -> Operation[bool]:
        """Delete what is out of date; whether it is now certain that `name`, or all there is, is not."""
        if name is not None and name not in self._owed:
            return True
        try:
            yield from self._settle_all()
        except Unavailable:
            self._away()
            return False
        return True
