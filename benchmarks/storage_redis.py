"""What the storage adds to redis-py: `python -m benchmarks storage-redis`.

The same values, with a time to live, on one Redis on the loopback interface. Theirs is redis-py as its page
shows it, with values as text; ours also gives each value its kind, counts hits, has time limits and a circuit
breaker.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import redis
import redis.asyncio

from benchmarks.measure import Result
from filewallball.storage import AsyncStorage, Storage

VALUE = "v" * 1024
"""1 KiB."""
CALLS = 2_000
"""Of each kind in one run."""
BATCH = 500
BATCHES = 20
LIMIT, TAIL_LIMIT = 1.1, 1.5
"""Of our median, and of our p99, as parts of theirs."""
TTL_SECONDS = 60
START_SECONDS = 30.0

Call = Callable[[int], object]


def measure(count: int) -> list[Result]:
    """All figures, each of `count` pairs of runs."""
    with server() as port:
        url = f"redis://127.0.0.1:{port}/0"
        ours, theirs = Storage.from_url(url), redis.Redis(port=port, decode_responses=True)
        peer = f"redis-py {redis.__version__}"
        results: list[Result] = []
        for name, left, right in _calls(ours, theirs):
            results += _compared(name, left, right, CALLS, count, peer)
        for name, left, right in _batches(ours, theirs):
            results += _compared(name, left, right, BATCHES, count, peer)[:1]
        results += asyncio.run(_asynchronous(url, port, count, peer))
        ours.close()
        theirs.close()
        return results


def _calls(ours: Storage, theirs: Any) -> list[tuple[str, Call, Call]]:
    def key(number: int) -> str:
        return f"bench:{number % 100}"

    return [
        (
            "set",
            lambda number: ours.set(key(number), VALUE, TTL_SECONDS),
            lambda number: theirs.set(key(number), VALUE, ex=TTL_SECONDS),
        ),
        ("get", lambda number: ours.get(key(number)), lambda number: theirs.get(key(number))),
        (
            "get, missing",
            lambda _: ours.get("bench:none"),
            lambda _: theirs.get("bench:none"),
        ),
        ("incr", lambda _: ours.incr("bench:n"), lambda _: theirs.incr("bench:n")),
    ]


def _batches(ours: Storage, theirs: Any) -> list[tuple[str, Call, Call]]:
    items = {f"bench:many:{number}": VALUE for number in range(BATCH)}

    def write(_: int) -> None:
        pipe = theirs.pipeline(transaction=False)
        for key, value in items.items():
            pipe.set(key, value, ex=TTL_SECONDS)
        pipe.execute()

    return [
        (f"set of {BATCH} together", lambda _: ours.set_many(items, TTL_SECONDS), write),
        (f"get of {BATCH} together", lambda _: ours.get_many(items), lambda _: theirs.mget(list(items))),
    ]


def _compared(name: str, ours: Call, theirs: Call, calls: int, count: int, peer: str) -> list[Result]:
    medians: tuple[list[float], list[float]] = [], []
    tails: tuple[list[float], list[float]] = [], []
    for number in range(count):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            times = [_timed((ours, theirs)[side], each) for each in range(calls)]
            medians[side].append(statistics.median(times))
            tails[side].append(_p99(times))
    return _results(name, medians, tails, peer)


async def _asynchronous(url: str, port: int, count: int, peer: str) -> list[Result]:
    ours = AsyncStorage.from_url(url)
    async with ours, redis.asyncio.Redis(port=port, decode_responses=True) as made:
        theirs: Any = made
        calls: list[Callable[[int], Awaitable[object]]] = [
            lambda number: ours.get(f"bench:{number % 100}"),
            lambda number: theirs.get(f"bench:{number % 100}"),
        ]
        medians: tuple[list[float], list[float]] = [], []
        tails: tuple[list[float], list[float]] = [], []
        for number in range(count):
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                times: list[float] = []
                for each in range(CALLS):
                    started = time.perf_counter()
                    await calls[side](each)
                    times.append(time.perf_counter() - started)
                medians[side].append(statistics.median(times))
                tails[side].append(_p99(times))
        return _results("get, asyncio", medians, tails, peer)


def _results(
    name: str, medians: tuple[list[float], ...], tails: tuple[list[float], ...], peer: str
) -> list[Result]:
    sides = [[[1e6 * each for each in side] for side in figures] for figures in (medians, tails)]
    return [
        Result(name, "µs", sides[0][0], LIMIT, peer, sides[0][1]),
        Result(f"{name}, p99", "µs", sides[1][0], TAIL_LIMIT, peer, sides[1][1]),
    ]


def _timed(call: Call, number: int) -> float:
    started = time.perf_counter()
    call(number)
    return time.perf_counter() - started


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


@contextmanager
def server() -> Generator[int]:
    """An empty Redis without persistence; its port."""
    program = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    if not program:
        raise SystemExit("storage-redis: redis-server is missing. Install redis-server or redis-tools.")
    with tempfile.TemporaryDirectory(prefix="fwb-bench-") as work:
        name = Path(work) / "redis-server"
        name.symlink_to(program)
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            port = int(listener.getsockname()[1])
        words = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", work]
        process = subprocess.Popen([str(name), *words], stdout=subprocess.DEVNULL)
        try:
            _await(port)
            yield port
        finally:
            process.kill()
            process.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    with redis.Redis(port=port) as made:
        client: Any = made
        while time.monotonic() < deadline:
            with suppress(redis.ConnectionError):
                client.execute_command("PING")
                return
            time.sleep(0.02)
    raise SystemExit("storage-redis: the server does not answer.")
