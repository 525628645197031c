"""A store in a folder of this machine, for any number of threads and processes: no server, no pickle."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import lmdb

from filewallball.storage.backend import Facts, Locks, When
from filewallball.storage.disk import checking, copies, engine, places, scanning, single
from filewallball.storage.disk.access import Access
from filewallball.storage.disk.engine import MOST_TOUCHED, Opened
from filewallball.storage.disk.records import HEAD, NEVER, head_of, ranges, stored_key, whole
from filewallball.storage.disk.trees import USE_SECONDS, Txn, drop_expired, pages, remove, value_of
from filewallball.storage.errors import WrongValue


class DiskBackend(Access):
    """The store `folder`/store. It is made when it isn't there; many may use it at once.

    `max_size`: bytes that the store may take on the disk, at least 1,000,000. What has expired goes first,
    then what was used longest ago (a use counts once a minute). One value takes an eighth of it at most.
    `durable`: each change is on the disk before the call returns. Without it a process that dies loses
    nothing, but a machine that stops (power cut) can lose the last changes, or the store.
    `clock`: seconds since 1970. Without it a change of the machine's clock changes no time to live.
    Raises WrongSetting, Damaged, Unavailable.
    """

    def get(self, key: bytes) -> bytes | None:
        opened = self._opened or self._open()
        now = self._time(opened)
        tally = opened.tally
        stored = stored_key(key)
        try:
            with opened.gate():
                txn = opened.env.begin(opened.trees.values)
                try:
                    record = txn.get(stored)
                    value = None
                    if record is not None:
                        expires, _, used, _, pieces, length = HEAD.unpack_from(record)
                        if expires > now:
                            value = (
                                value_of(txn, opened.trees, record)
                                if pieces
                                else record[HEAD.size + length :]
                            )
                            if now - used >= USE_SECONDS and len(tally.touched) < MOST_TOUCHED:
                                tally.touched[stored] = None
                finally:
                    txn.abort()
        except (lmdb.ReadersFullError, lmdb.MapResizedError):
            return self.get_many([key])[0]
        except (lmdb.Error, struct.error) as error:
            if not opened.is_there():
                return self.get_many([key])[0]
            raise engine.told(error, self.folder) from error
        if value is None:
            tally.misses += 1
        else:
            tally.hits += 1
        if now >= tally.due:
            self._note(opened)
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        def look(txn: Txn, opened: Opened, now: float) -> list[bytes | None]:
            found: list[bytes | None] = []
            for key in keys:
                stored = stored_key(key)
                record = single.live(txn, stored, now)
                old = record is not None and now - head_of(record).used >= USE_SECONDS
                if old and len(opened.tally.touched) < MOST_TOUCHED:
                    opened.tally.touched[stored] = None
                found.append(None if record is None else value_of(txn, opened.trees, record))
            hits = sum(value is not None for value in found)
            opened.tally.hits += hits
            opened.tally.misses += len(found) - hits
            return found

        found = self._read(look)
        opened = self._opened or self._open()
        if self._time(opened) >= opened.tally.due:
            self._note(opened)
        return found

    def set(self, key: bytes, value: bytes, ttl: float | None = None, *, when: When = "always") -> bool:
        self._room.check(key, value)
        stored = stored_key(key)

        def change(txn: Txn, opened: Opened, now: float) -> bool:
            if when != "always" and (single.live(txn, stored, now) is None) != (when == "new"):
                return False
            single.store(txn, opened, key, stored, value, single.expires(now, ttl), now)
            return True

        return self._write(change, len(key) + len(value))

    def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None:
        """All at once; in parts if they are larger than 2 MiB or a sixteenth of `max_size`."""
        for key, value in items.items():
            self._room.check(key, value)
        for part, size in self._room.parts(items):

            def change(txn: Txn, opened: Opened, now: float, part: list[tuple[bytes, bytes]] = part) -> None:
                expires = single.expires(now, ttl)
                for key, value in part:
                    single.store(txn, opened, key, stored_key(key), value, expires, now)

            self._write(change, size)

    def delete(self, keys: Sequence[bytes]) -> int:
        total = 0
        for start in range(0, len(keys), self._room.records):
            part = keys[start : start + self._room.records]

            def change(txn: Txn, opened: Opened, now: float, part: Sequence[bytes] = part) -> int:
                return sum(single.removed(txn, opened, stored_key(key), now) for key in part)

            total += self._write(change)
        return total

    def ttl(self, key: bytes) -> float | None:
        def look(txn: Txn, _: Opened, now: float) -> float | None:
            record = single.live(txn, stored_key(key), now)
            if record is None:
                raise KeyError(key)
            expires = head_of(record).expires
            return None if expires == NEVER else expires - now

        return self._read(look)

    def expire(self, key: bytes, ttl: float | None) -> bool:
        stored = stored_key(key)

        def change(txn: Txn, opened: Opened, now: float) -> bool:
            record = single.live(txn, stored, now)
            if record is None:
                return False
            value = value_of(txn, opened.trees, record)
            single.store(txn, opened, key, stored, value, single.expires(now, ttl), now)
            return True

        return self._write(change)

    def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        made = 0

        def more(value: bytes | None) -> bytes:
            nonlocal made
            start = 0 if value is None else whole(value)
            if start is None:
                raise WrongValue(f"What stands under {key!r} is not a whole number. Delete it first.")
            made = start + amount
            if not -(2**63) <= made < 2**63:
                raise WrongValue(f"{made} does not fit into 64 bits. Add less to {key!r}.")
            return b"%d" % made

        self._changed(key, more, "keep", ttl)
        return made

    def change(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        ttl: float | Literal["keep"] | None = "keep",
    ) -> bytes | None:
        """All other writers wait meanwhile: `function` has to be quick. It may read here, but not write."""
        return self._changed(key, function, ttl, None)

    def _changed(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        ttl: float | Literal["keep"] | None,
        first_ttl: float | None,
    ) -> bytes | None:
        stored = stored_key(key)

        def change(txn: Txn, opened: Opened, now: float) -> bytes | None:
            record = single.live(txn, stored, now)
            old = None if record is None else value_of(txn, opened.trees, record)
            self._inside.change = True
            try:
                value = function(old)
            finally:
                self._inside.change = False
            if value is None:
                single.removed(txn, opened, stored, now)
                return None
            self._room.check(key, value)
            if ttl != "keep":
                expires = single.expires(now, ttl)
            else:
                expires = single.expires(now, first_ttl) if record is None else head_of(record).expires
            single.store(txn, opened, key, stored, value, expires, now)
            return value

        return self._write(change)

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        for start in ranges(prefix):
            after = start
            while True:
                found, last = self._read(
                    lambda txn, opened, now, start=start, after=after: scanning.page(
                        txn, opened.trees, start, after, prefix, now
                    )
                )
                yield from found
                if last is None:
                    break
                after = last + b"\0"

    def clear(self, prefix: bytes) -> int:
        total = 0
        for start in ranges(prefix):
            more = True
            while more:

                def change(txn: Txn, opened: Opened, now: float, start: bytes = start) -> tuple[int, bool]:
                    found = scanning.some(txn, opened.trees, start, start, prefix, self._room.records)
                    for stored, record in found:
                        remove(txn, opened.trees, stored, record)
                    live = sum(head_of(record).expires > now for _, record in found)
                    return live, len(found) == self._room.records

                count, more = self._write(change)
                total += count
        return total

    def locks(self) -> Locks:
        from filewallball.storage.locks.on_disk import DiskLocks  # only who asks for a lock needs it

        return DiskLocks(self.folder / "locks")

    def cleanup(self) -> int:
        """Also frees what readers held that were killed."""
        total = 0
        opened = self._there()
        with opened.gate():
            opened.env.reader_check()
        most = self._room.records
        while True:
            count = self._write(lambda txn, opened, now: drop_expired(txn, opened.trees, now, most))
            opened.tally.expired += count
            total += count
            if count < most:
                return total

    def facts(self) -> Facts:
        """`hits`, `misses`, `evicted`, `expired`: of all processes, since the store was made."""
        self._note(self._there())

        def look(txn: Txn, opened: Opened, _: float) -> Facts:
            counts = engine.counted(opened, txn)
            tally = opened.tally
            return {
                "version": f"{'.'.join(map(str, lmdb.version()))}, format {places.FORMAT}",
                "size": (opened.store / places.DATA).stat().st_size,
                "used": pages(txn, opened.trees) * 4096,
                "max_size": self.max_size,
                "keys": txn.stat(opened.trees.values)["entries"],
                "file_system": places.file_system(opened.store),
                "durable": opened.durable,
                **{name: count + getattr(tally, name) for name, count in counts.items()},
            }

        return self._read(look)

    def check(self, *, fix: bool) -> list[str]:
        """Writers wait meanwhile: about a minute for each GiB."""
        return checking.check(self._there(), self._room.file_size, fix=fix)

    def backup(self, folder: Path) -> Path:
        """A new folder below, which is a store itself. Writers wait while it is made; readers don't."""
        return copies.backup(self._there(), self.folder, folder)
