"""The table of the document that replaced Redis by diskcache and filelock, line by line, with this library.

Its figures are calls a second on another machine (macOS, ARM64). Here they stand as microseconds.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable

from benchmarks.measure import Result
from filewallball.storage import Storage

CALLS = 1_000
THREADS = 10
RATES = {
    "Cache Set": 9_724.88,
    "Cache Get": 19_217.10,
    "JSON Set": 13_138.90,
    "JSON Get": 21_182.28,
    "Lock Acquire": 1_829.88,
    "Lock Release": 61_513.59,
    "Checkpoint Save": 7_188.43,
    "Checkpoint Load": 9_943.11,
    "concurrent calls": 2_621.45,
}
DOCUMENT = {"id": 1, "name": "a.txt", "tags": ["a", "b"], "meta": {"size": 1024, "type": "text/plain"}}


def measure(rounds: int) -> list[Result]:
    """One figure for each line; a call that fails, or gives something else, ends the run."""
    taken: dict[str, list[float]] = {name: [] for name in RATES}
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory(prefix="fwb-bench-") as folder,
            Storage.from_url(f"file://{folder}") as storage,
        ):
            found = _round(storage)
        for name, times in found.items():
            taken[name].append(statistics.fmean(times) * 1e6)
    return [
        Result(
            f"{name}: {1e6 / statistics.median(times):,.0f} a second, in the document {RATES[name]:,.0f}",
            "µs",
            times,
            None,
            "the document",
            [1e6 / RATES[name]],
        )
        for name, times in taken.items()
    ]


def _round(storage: Storage) -> dict[str, list[float]]:
    value = "v" * 1024
    times = {
        "Cache Set": _timed(lambda n: storage.set(f"k{n}", value, 3600), True),
        "Cache Get": _timed(lambda n: storage.get(f"k{n}"), value),
        "JSON Set": _timed(lambda n: storage.set_json(f"j{n}", DOCUMENT), True),
        "JSON Get": _timed(lambda n: storage.get_json(f"j{n}"), DOCUMENT),
        "Checkpoint Save": _timed(lambda n: storage.save_checkpoint(f"c{n}", DOCUMENT), True),
        "Checkpoint Load": _timed(lambda n: storage.load_checkpoint(f"c{n}"), DOCUMENT),
        "Lock Acquire": [],
        "Lock Release": [],
        "concurrent calls": _crowd(storage),
    }
    for number in range(CALLS):
        start = time.perf_counter()
        held = storage.locks.acquire(f"l{number}", 30, 0)
        middle = time.perf_counter()
        held.release()
        times["Lock Acquire"].append(middle - start)
        times["Lock Release"].append(time.perf_counter() - middle)
    return times


def _timed(call: Callable[[int], object], expected: object) -> list[float]:
    times: list[float] = []
    for number in range(CALLS):
        start = time.perf_counter()
        got = call(number)
        times.append(time.perf_counter() - start)
        if got != expected:
            raise SystemExit(f"{got!r} came, and {expected!r} was expected")
    return times


def _crowd(storage: Storage) -> list[float]:
    """Threads that lock, read and write one counter each; seconds of the whole for one of these calls."""

    def work(number: int) -> None:
        for _ in range(CALLS // THREADS):
            with storage.lock(f"crowd{number}"):
                storage.set(f"crowd{number}", int(storage.get(f"crowd{number}", 0)) + 1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    if any(storage.get(f"crowd{number}") != CALLS // THREADS for number in range(THREADS)):
        raise SystemExit("a concurrent call was lost")
    return [seconds / CALLS]
