"""The storage on a disk beside its peers: `python -m benchmarks storage`.

Values of 1 KiB with a time to live, hits and misses counted, each through the library's own interface. All
survive the end of their process; peers' SQLite has WAL and synchronous=NORMAL, as they come, and OFF beside
it, where that can be set. Each round gives every side a new folder, and begins with another side.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from benchmarks import storage_document
from benchmarks.measure import Result
from filewallball.storage import Storage

VALUE = os.urandom(1024)
TTL_SECONDS = 3600
CALLS = 5_000
"""Of each kind in a round."""
BATCH = 500
BATCHES = 10
CROWD = 8
CROWD_CALLS = 2_000
"""Of each process."""
OURS = "ours"
DISKCACHE = f"diskcache-community {version('diskcache-community')}"
WITHOUT_SYNC = f"{DISKCACHE}, synchronous=OFF"
SCIQLOP = f"pysciqlop-cache {version('pysciqlop-cache')}"
PEERS = (DISKCACHE, SCIQLOP)


class Store(Protocol):
    def set(self, key: str) -> object: ...
    def get(self, key: str) -> object: ...
    def batch(self, keys: Sequence[str]) -> object: ...
    def close(self) -> None: ...


class _Ours:
    def __init__(self, folder: Path) -> None:
        self._storage = Storage.from_url(f"file://{folder}?max_size={1 << 30}")

    def set(self, key: str) -> object:
        return self._storage.set(key, VALUE, TTL_SECONDS)

    def get(self, key: str) -> object:
        return self._storage.get(key)

    def batch(self, keys: Sequence[str]) -> object:
        return self._storage.set_many(dict.fromkeys(keys, VALUE), TTL_SECONDS)

    def close(self) -> None:
        self._storage.close()


class _Peer:
    """Both peers have the same interface."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self.get = cache.get

    def set(self, key: str) -> object:
        return self._cache.set(key, VALUE, expire=TTL_SECONDS)

    def batch(self, keys: Sequence[str]) -> object:
        with self._cache.transact():
            for key in keys:
                self._cache.set(key, VALUE, expire=TTL_SECONDS)
        return True

    def close(self) -> None:
        with suppress(AttributeError):
            self._cache.close()


def _diskcache(folder: Path, **settings: Any) -> Store:
    made: Any = import_module("diskcache_community")
    return _Peer(made.Cache(str(folder), statistics=1, size_limit=1 << 30, **settings))


def _sciqlop(folder: Path) -> Store:
    made: Any = import_module("pysciqlop_cache")  # it has no types
    return _Peer(made.Cache(str(folder), max_size=1 << 30))


SIDES: dict[str, Callable[[Path], Store]] = {
    OURS: _Ours,
    DISKCACHE: _diskcache,
    WITHOUT_SYNC: lambda folder: _diskcache(folder, sqlite_synchronous=0),
    SCIQLOP: _sciqlop,
}


@dataclass
class Seen:
    """Microseconds of each call of one side; of a batch: for each value in it. `means`: of each round."""

    set: list[float] = field(default_factory=list[float])
    get: list[float] = field(default_factory=list[float])
    batch: list[float] = field(default_factory=list[float])
    means: dict[str, list[float]] = field(default_factory=lambda: {"set": [], "get": [], "batch": []})
    crowd: list[float] = field(default_factory=list[float])
    dropped: int = 0


def measure(rounds: int) -> list[Result]:
    """All figures of so many rounds."""
    seen = {name: Seen() for name in SIDES}
    names = list(SIDES)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with tempfile.TemporaryDirectory(prefix="fwb-bench-") as folder:
                _alone(SIDES[name](Path(folder) / "alone"), seen[name])
                _crowded(name, Path(folder) / "crowd", seen[name])
    return [*_results(seen), *storage_document.measure(rounds)]


def _alone(store: Store, seen: Seen) -> None:
    keys = [f"file:meta:{number:08d}" for number in range(CALLS)]
    for kind, call, times in (("set", store.set, seen.set), ("get", store.get, seen.get)):
        taken = _timed(call, keys)
        times += taken
        seen.means[kind].append(statistics.fmean(taken))
    batches = [[f"batch:{number}:{key}" for key in range(BATCH)] for number in range(BATCHES)]
    taken = [micro / BATCH for micro in _timed(store.batch, batches)]
    seen.batch += taken
    seen.means["batch"].append(statistics.fmean(taken))
    store.close()


def _timed(call: Callable[[Any], object], over: Sequence[Any]) -> list[float]:
    taken: list[float] = []
    clock = time.perf_counter_ns
    for each in over:
        start = clock()
        call(each)
        taken.append((clock() - start) / 1_000)
    return taken


def _crowded(name: str, folder: Path, seen: Seen) -> None:
    """Eight processes write at once; what is missing afterwards was dropped."""
    fork = multiprocessing.get_context("fork")
    SIDES[name](folder).close()
    begin = fork.Barrier(CROWD)
    pipes = [fork.Pipe(duplex=False) for _ in range(CROWD)]
    started = [
        fork.Process(target=_in_crowd, args=(name, folder, number, begin, pipes[number][1]))
        for number in range(CROWD)
    ]
    for process in started:
        process.start()
    for receive, _ in pipes:
        seen.crowd += array("d", receive.recv_bytes())
    for process in started:
        process.join()
    store = SIDES[name](folder)
    seen.dropped += sum(
        store.get(f"{number}:{call}") != VALUE for number in range(CROWD) for call in range(CROWD_CALLS)
    )
    store.close()


def _in_crowd(name: str, folder: Path, number: int, begin: Any, send: Connection) -> None:
    store = SIDES[name](folder)

    def write(key: str) -> None:
        with suppress(Exception):  # such as Timeout: then the value is missing, and counted
            store.set(key)

    begin.wait()
    taken = _timed(write, [f"{number}:{call}" for call in range(CROWD_CALLS)])
    send.send_bytes(array("d", taken).tobytes())
    store.close()


def _results(seen: dict[str, Seen]) -> list[Result]:
    ours = seen[OURS]
    found: list[Result] = []
    for kind, limit in (("set", 0.5), ("get", 1.0)):
        better = min(PEERS, key=lambda name: statistics.median(seen[name].means[kind]))
        for name in (better, *(name for name in SIDES if name not in (OURS, better))):
            judged = limit if name == better else None
            found += _compared(kind, getattr(ours, kind), getattr(seen[name], kind), judged, name)
            mine, theirs = ours.means[kind], seen[name].means[kind]
            found.append(Result(f"{kind}, mean of a round", "µs", mine, judged, name, theirs))
    for name in (DISKCACHE, WITHOUT_SYNC, SCIQLOP):
        judged = 0.25 if name == DISKCACHE else None
        mine, theirs = ours.means["batch"], seen[name].means["batch"]
        found.append(Result(f"set of {BATCH} values at once, each", "µs", mine, judged, name, theirs))
        tail = 1 / 3 if name == DISKCACHE else None
        found += _compared(f"set, {CROWD} processes", ours.crowd, seen[name].crowd, None, name, tail=tail)
    found.append(Result(f"writes that {CROWD} processes lost, ours", "", [ours.dropped], 0))
    found += [Result(f"the same, {name}", "", [seen[name].dropped], None) for name in SIDES if name != OURS]
    return found


def _compared(
    what: str,
    ours: list[float],
    theirs: list[float],
    limit: float | None,
    peer: str,
    *,
    tail: float | None = None,
) -> list[Result]:
    """Median and tails. `limit`: of the median; `tail`: of the p99.9."""
    parts = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    return [
        Result(
            f"{what}, {name}",
            "µs",
            [_part(ours, part)],
            {"p50": limit, "p99": None, "p99.9": tail}[name],
            peer,
            [_part(theirs, part)],
        )
        for name, part in parts.items()
    ]


def _part(times: list[float], part: float) -> float:
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]
