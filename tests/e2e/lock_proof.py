"""A protected resource, and a crowd of processes that use it under one lock.

The resource proves what the lock promises: it refuses tokens that aren't greater than the last one that it
has seen, it notices when two use it at once, and keeps the tokens in the order in which they came.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import random
import struct
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from filewallball.storage.backend import Locks
from filewallball.storage.errors import NotHeld

NAME = "resource"
_USE = struct.Struct("=QQ")
_LATE_EVERY = 40
_BUSY, _DONE = b"1", b"0"
_context = multiprocessing.get_context("fork")


class Resource:
    """In a folder; each process opens its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used = os.open(folder / "used", os.O_RDWR | os.O_CREAT)
        self._row = os.open(folder / "row", os.O_RDWR | os.O_CREAT)
        self._log = os.open(folder / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._faults = folder / "faults"

    def close(self) -> None:
        for each in (self._used, self._row, self._log):
            os.close(each)

    def use(self, token: int) -> None:
        """By a holder in time."""
        alone = self._begin()
        if not alone:
            self.fault(f"overlap at {token}")
        if not self.accepts(token):
            self.fault(f"token {token} came again or late")
        os.write(self._log, _USE.pack(token, os.getpid()))
        os.pwrite(self._used, _DONE, 0)
        fcntl.flock(self._used, fcntl.LOCK_UN)

    def _begin(self) -> bool:
        """Whether nobody else was at it.

        The kernel closes a killed process's files one after the other: the lock may be free before this file.
        Such a process does nothing any more, so it never says that it has done.
        """
        try:
            fcntl.flock(self._used, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except BlockingIOError:
            fcntl.flock(self._used, fcntl.LOCK_EX)
            alone = os.pread(self._used, 1, 0) != _DONE
        os.pwrite(self._used, _BUSY, 0)
        return alone

    def accepts(self, token: int) -> bool:
        """What a database does with `UPDATE … WHERE token < …`."""
        fcntl.flock(self._row, fcntl.LOCK_EX)
        fresh = token > int.from_bytes(os.pread(self._row, 8, 0), "little")
        if fresh:
            os.pwrite(self._row, token.to_bytes(8, "little"), 0)
        fcntl.flock(self._row, fcntl.LOCK_UN)
        return fresh

    def fault(self, text: str) -> None:
        with self._faults.open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def faults(self) -> str:
        return self._faults.read_text(encoding="utf-8") if self._faults.exists() else ""

    def count(self) -> int:
        return os.fstat(self._log).st_size // _USE.size

    def uses(self) -> list[tuple[int, int]]:
        """The tokens in their order, and the processes that used them."""
        return list(_USE.iter_unpack(os.pread(self._log, os.fstat(self._log).st_size, 0)))


@dataclass
class Crowd:
    """`make` makes a process's own locks. `ttl` in seconds; `late`: now and then one stays over its time.

    `rest`: seconds between its turns.
    """

    folder: Path
    make: Callable[[], Locks]
    ttl: float
    late: bool = False
    size: int = 8
    rest: float = 0
    processes: list[Any] = field(default_factory=list)

    def run(self, uses: int, *, kills: int = 0) -> Resource:
        """Until so many uses. Killed ones are replaced; deaths are spread over the run."""
        resource = Resource(self.folder)
        begin = _context.Barrier(self.size) if not kills else None
        self.processes = [self._start(uses, begin) for _ in range(self.size)]
        chosen = random.Random(1)
        for number in range(kills):
            while resource.count() < uses * (number + 1) // (kills + 1):
                time.sleep(0.0005)
            place = chosen.randrange(self.size)
            self.processes[place].kill()
            self.processes[place].join()
            self.processes[place] = self._start(uses, None)
        for each in self.processes:
            each.join()
        return resource

    def run_cleaned(self, uses: int) -> Resource:
        """The same, while what is free is removed all the time."""
        resource = Resource(self.folder)
        self.processes = [self._start(uses, None) for _ in range(self.size)]
        locks = self.make()
        while resource.count() < uses:
            locks.cleanup()
        for each in self.processes:
            each.join()
        return resource

    def close(self) -> None:
        for each in self.processes:
            if each.is_alive():
                each.kill()
            each.join()

    def _start(self, uses: int, begin: Any) -> Any:
        process = _context.Process(target=self._work, args=(uses, begin))
        process.start()
        return process

    def _work(self, uses: int, begin: Any) -> None:
        resource = Resource(self.folder)
        try:
            locks = self.make()
            time.time, time.time_ns = (lambda: 1.0), (lambda: 10**9)  # the clock is set back
            if begin:
                begin.wait()
            turns = 0
            while resource.count() < uses:
                turns += 1
                if self.late and turns % _LATE_EVERY == os.getpid() % _LATE_EVERY:
                    self._stay_too_long(locks, resource)
                    continue
                held = locks.acquire(NAME, self.ttl)
                resource.use(held.token)
                held.release()
                time.sleep(self.rest)
        except BaseException:  # noqa: BLE001 - nobody above sees it
            resource.fault(traceback.format_exc())

    def _stay_too_long(self, locks: Locks, resource: Resource) -> None:
        held, uses = locks.acquire(NAME, 0.005), resource.count()
        time.sleep(0.01)
        used_since = resource.count() > uses  # before it asks, or the next one may come in between
        if resource.accepts(held.token) and used_since:
            resource.fault(f"{held.token} was let in late")
        try:
            held.release()
        except NotHeld:
            return
        resource.fault(f"{held.token} was held beyond its time")


def unfairness(resource: Resource) -> float:
    """Uses of the luckiest process by those of the unluckiest, while all of them were there."""
    users = [pid for _, pid in resource.uses()]
    all_there = max(users.index(pid) for pid in set(users))
    counts = Counter(users[all_there:]).values()
    return max(counts) / min(counts)


def verify(resource: Resource, uses: int) -> None:
    """No overlap, no token twice or late, and nobody failed."""
    assert not (found := resource.faults()), found
    tokens = [token for token, _ in resource.uses()]
    assert len(tokens) >= uses
    assert all(before < after for before, after in pairwise(tokens))
