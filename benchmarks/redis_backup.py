"""Figures of `fwb redis backup` and `restore`: keys and bytes a second beside redis-cli, and the impact.

`python -m benchmarks redis-backup`. Speeds are without limit, to a folder, uncompressed; the impact is
that of the default rate. Needs redis-cli and redis-server on PATH: the package redis-tools is enough.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import redis

from benchmarks.measure import Result, run, timed
from filewallball.jobs.joblog import Log
from filewallball.stability import targets
from filewallball.stability.keys import catalogue, pace, pieces, restoring, taking
from filewallball.stability.keys.manifest import Manifest
from filewallball.stability.keys.places import Folder
from filewallball.stability.local import Local

KEYS = {100: 1_000_000, 4096: 100_000}
"""How many keys of each size of values, in bytes."""
LOAD_SECONDS = 10.0
IMPACT_KEYS = 150_000
"""So many that a backup at the default rate takes longer than the load."""


class RedisBackup:
    """A server of its own, on a free port."""

    def __init__(self, work: Path, scale: float = 1.0) -> None:
        self._work = work
        self._scale = scale
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            self._port = int(listener.getsockname()[1])
        self._client: Any = redis.Redis(port=self._port)

    def speeds(self, runs: int) -> list[Result]:
        """All figures without a limit."""
        found: list[Result] = []
        for size, count in KEYS.items():
            with self._server():
                keys = int(count * self._scale)
                self._fill(keys, size)
                found += self._of_size(keys, size, runs)
        return found

    def _of_size(self, keys: int, size: int, runs: int) -> list[Result]:
        times: dict[str, list[float]] = {name: [] for name in ("replica", "scan", "rdb", "restore", "pipe")}
        for _ in range(runs):
            times["rdb"].append(timed(lambda: self._cli("--rdb", str(self._work / "dump.rdb"))))
            for way in ("replica", "scan"):
                times[way].append(timed(lambda way=way: self._backup(way, None)))
        made = self._backup("scan", None)
        commands = self._work / "commands"
        with commands.open("wb") as file:
            for piece in made.pieces:
                file.write(pieces.unpacked(pieces.fetched(self._place, made, piece), made))
        for _ in range(runs):
            self._client.flushall()
            times["pipe"].append(timed(lambda: self._pipe(commands)))
            self._client.flushall()
            times["restore"].append(timed(lambda: self._restore(made)))
        if size == 100:
            rates = {"replica": 150_000, "scan": 60_000}
            found = [
                Result(f"backup of {keys} keys, {way}", "s", times[way], keys / rate)
                for way, rate in rates.items()
            ]
        else:
            found = [
                Result(
                    f"backup, values of {size} bytes, {way}",
                    "s",
                    times[way],
                    2,
                    "redis-cli --rdb",
                    times["rdb"],
                )
                for way in ("replica", "scan")
            ]
        name = f"restore, values of {size} bytes"
        return [*found, Result(name, "s", times["restore"], 2, "redis-cli --pipe", times["pipe"])]

    def impact(self, runs: int) -> list[Result]:
        """The p99 of a GET while a backup runs at the default rate, beside that without one."""
        found: list[Result] = []
        with self._server():
            self._fill(int(IMPACT_KEYS * self._scale), 100)
            for way in ("replica", "scan"):
                during: list[float] = []
                without: list[float] = []
                for _ in range(runs):
                    without.append(self._p99())
                    stop = threading.Event()
                    thread = threading.Thread(target=self._again_and_again, args=(way, stop))
                    thread.start()
                    during.append(self._p99())
                    stop.set()
                    thread.join()
                found.append(Result(f"p99 during a backup, {way}", "ms", during, 1.5, "without", without))
        return found

    def _again_and_again(self, way: Any, stop: threading.Event) -> None:
        while not stop.is_set():
            self._backup(way, pace.DEFAULT)

    def _p99(self) -> float:
        """By a process of its own: in this one it would wait for the backup's Python."""
        return float(run([sys.executable, "-m", "benchmarks.redis_backup", str(self._port)]))

    @property
    def _place(self) -> Folder:
        return Folder(self._work / "store")

    def _target(self) -> targets.Target:
        return targets.read(f"redis://127.0.0.1:{self._port}", self._work, Local.read(self._work, {}))

    def _backup(self, way: Any, rate: int | None) -> Manifest:
        shutil.rmtree(self._work / "store", ignore_errors=True)
        options = taking.Options(way, rate, "none", "none", resume=False)
        return taking.run(self._target(), self._place, options, Log(lambda _: None))

    def _restore(self, made: Manifest) -> None:
        found = catalogue.find(self._place, made.id)
        options = restoring.Options(verify="none")
        restoring.run(self._target(), self._place, found, options, Log(lambda _: None))

    def _cli(self, *words: str) -> None:
        subprocess.run(["redis-cli", "-p", str(self._port), *words], check=True, capture_output=True)

    def _pipe(self, commands: Path) -> None:
        with commands.open("rb") as file:
            subprocess.run(
                ["redis-cli", "-p", str(self._port), "--pipe"], stdin=file, check=True, capture_output=True
            )

    def _fill(self, keys: int, size: int) -> None:
        """Values that don't compress, as those of applications seldom do."""
        self._client.flushall()
        with Path("/dev/urandom").open("rb") as random:
            for start in range(0, keys, 10_000):
                pipe = self._client.pipeline(transaction=False)
                for number in range(start, min(keys, start + 10_000)):
                    pipe.set(f"key:{number}", random.read(size))
                pipe.execute()

    @contextmanager
    def _server(self) -> Generator[None]:
        words = ["--port", str(self._port), "--save", "", "--repl-diskless-sync-delay", "0"]
        process = subprocess.Popen([self._program(), *words], cwd=self._work, stdout=subprocess.DEVNULL)
        try:
            while not self._answers():
                time.sleep(0.05)
            yield
        finally:
            process.kill()
            process.wait()

    def _program(self) -> str:
        """The server. Packages of tools bring it under the other name alone; it is what it is called as."""
        found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
        if not found:
            raise SystemExit("redis-server is missing: install the package redis-server or redis-tools")
        link = self._work / "redis-server"
        if not link.exists():
            link.symlink_to(found)
        return str(link)

    def _answers(self) -> bool:
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False


def p99(port: int) -> float:
    """Milliseconds, of requests that come at a steady rate."""
    client: Any = redis.Redis(port=port)
    taken: list[float] = []
    due = time.monotonic()
    end = due + LOAD_SECONDS
    while due < end:
        due += 0.001
        time.sleep(max(0.0, due - time.monotonic()))
        begun = time.perf_counter()
        client.get("key:1")
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.quantiles(taken, n=100)[98]


def measure(runs: int, scale: float) -> list[Result]:
    """All figures. `scale`: how many of the keys, 1 being all."""
    with tempfile.TemporaryDirectory(prefix="fwb-bench-") as work:
        bench = RedisBackup(Path(work), scale)
        return [*bench.speeds(runs), *bench.impact(runs)]


if __name__ == "__main__":
    print(p99(int(sys.argv[1])))
