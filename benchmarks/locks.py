"""Figures of the locks on disk: beside filelock alone, and in a crowd of processes.

`python -m benchmarks locks`. In the crowd each process takes one lock again and again, as fast as it can.
Whoever has the lock also takes a file that can't be had twice, so that an overlap would be seen.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import struct
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import filelock

from benchmarks.measure import Result, pairs
from filewallball.storage.locks.on_disk import DiskLocks

ALONE = 5_000
"""How often one process takes and releases a lock that nobody else wants."""
CROWD = 8
TURNS = 100_000
THEIR_TURNS = 1_000
"""Of filelock in a crowd: it is slow there."""
_USE = struct.Struct("=QQ")
_TTL_SECONDS = 30.0

Take = Callable[[], tuple[int, Callable[[], object]]]
"""Takes a lock; its token (0: it has none), and what releases it."""


def measure(count: int, scale: float) -> list[Result]:
    """All figures; `scale`: part of the turns in the crowd."""
    with tempfile.TemporaryDirectory(prefix="fwb-bench-") as name:
        folder = Path(name)
        peer = f"filelock {filelock.__version__}"
        ours, theirs = _ours(folder)(), _theirs(folder)()
        alone = pairs(lambda: _repeat(ours), lambda: _repeat(theirs), lambda: None, count)
        micro = [[seconds * 1e6 / ALONE for seconds in side] for side in alone]
        crowded = Crowd(folder / "ours", _ours, int(TURNS * scale)).run()
        compared = Crowd(folder / "theirs", _theirs, int(THEIR_TURNS * scale)).run()
        return [
            Result("lock and release, uncontended", "µs", micro[0], 1, peer, micro[1]),
            Result(f"lock and release, {CROWD} processes", "µs", [crowded.micro], 1, peer, [compared.micro]),
            Result(f"luckiest by unluckiest process, {crowded.turns} turns", "×", [crowded.unfairness], 1.5),
            Result(f"overlaps in {crowded.turns} turns", "", [crowded.overlaps], 0),
            Result("tokens that didn't grow", "", [crowded.wrong_tokens], 0),
        ]


def _ours(folder: Path) -> Callable[[], Take]:
    def make() -> Take:
        locks = DiskLocks(folder / "locks")

        def take() -> tuple[int, Callable[[], object]]:
            held = locks.acquire("bench", _TTL_SECONDS)
            return held.token, held.release

        return take

    return make


def _theirs(folder: Path) -> Callable[[], Take]:
    def make() -> Take:
        lock = filelock.FileLock(folder / "bench.lock")

        def take() -> tuple[int, Callable[[], object]]:
            lock.acquire()
            return 0, lock.release

        return take

    return make


def _repeat(take: Take) -> None:
    for _ in range(ALONE):
        take()[1]()


class Crowd:
    """Processes that want one lock, until so many `turns` are done."""

    def __init__(self, folder: Path, make: Callable[[Path], Callable[[], Take]], turns: int) -> None:
        folder.mkdir()
        self._folder = folder
        self._make = make(folder)
        self.turns = turns
        self.micro = 0.0
        self.overlaps = 0
        self.wrong_tokens = 0
        self.unfairness = 0.0

    def run(self) -> Crowd:
        context = multiprocessing.get_context("fork")
        begin = context.Barrier(CROWD + 1)
        processes = [context.Process(target=self._work, args=(begin,)) for _ in range(CROWD)]
        for each in processes:
            each.start()
        begin.wait()
        start = time.perf_counter()
        for each in processes:
            each.join()
        seconds = time.perf_counter() - start
        uses = list(_USE.iter_unpack((self._folder / "uses").read_bytes()))
        self.micro = seconds * 1e6 / len(uses)
        counts = Counter(pid for pid, _ in uses).values()
        self.unfairness = max(counts) / min(counts) if len(counts) == CROWD else float("inf")
        self.overlaps = (self._folder / "overlaps").stat().st_size
        tokens = [token for _, token in uses if token]
        self.wrong_tokens = sum(after <= before for before, after in pairwise(tokens))
        return self

    def _work(self, begin: Any) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        uses, overlaps = (os.open(self._folder / name, flags, 0o600) for name in ("uses", "overlaps"))
        take = self._make()
        begin.wait()
        while os.fstat(uses).st_size < self.turns * _USE.size:
            token, release = take()
            try:
                fcntl.flock(uses, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.write(overlaps, b"!")
            os.write(uses, _USE.pack(os.getpid(), token))
            fcntl.flock(uses, fcntl.LOCK_UN)
            release()
