"""Requests at a constant pace, by Vegeta (https://github.com/tsenart/vegeta), built with Go on first use."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from benchmarks.measure import run
from filewallball import paths
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.golang import find_go

MODULE, VERSION = "github.com/tsenart/vegeta/v12", "v12.13.0"
GO_NEEDED = (1, 22)
CONNECTIONS = 32
"""As fast as it goes, so many requests are under way at a time."""
AT_ONCE = 400
"""At a constant pace, so many at most: the balancer takes 500 of one address. The wait of others counts."""
HTTP_OK = 200


@dataclass(frozen=True)
class Attack:
    """What became of the requests. Times in milliseconds, in order."""

    due: Sequence[float]
    """From when each was due: nothing that users would wait for is left out."""
    sent: Sequence[float]
    """From when each was sent: without the part of the client, which sleeps to the millisecond."""
    failed: int


def quantile(times: Sequence[float], part: float) -> float:
    """The smallest time that so large a part of all is no longer than."""
    return times[max(0, ceil(len(times) * part) - 1)]


@dataclass(frozen=True)
class Vegeta:
    """The program."""

    path: Path

    @classmethod
    def installed(cls) -> Vegeta:
        """Raises SystemExit where it can't be built, and UserError where there is no Go."""
        path = paths.cache_dir() / f"vegeta-{VERSION}" / "vegeta"
        if not path.exists():
            go = find_go(GO_NEEDED, Progress())
            built = path.with_name("built")
            given = go.environment() | {"GOBIN": str(built), "GOFLAGS": "-buildvcs=false"}
            run([str(go.path), "install", f"{MODULE}@{VERSION}"], env=given)
            shutil.move(built / "vegeta", path)
        return cls(path)

    def full(self, url: str, seconds: float) -> float:
        """Requests a second that are answered when each follows on the one before at once."""
        rows = self._rows(url, ["-rate=0", f"-workers={CONNECTIONS}", f"-max-workers={CONNECTIONS}"], seconds)
        ends = [at + took for at, took, _ in rows.values()]
        span = max(ends) - min(at for at, _, _ in rows.values())
        return sum(code == HTTP_OK for _, _, code in rows.values()) / span * 1e9

    def attack(self, url: str, rate: int, seconds: float) -> Attack:
        """Requests at this pace a second, whatever becomes of those before them."""
        rows = self._rows(url, [f"-rate={rate}/s", f"-max-workers={AT_ONCE}"], seconds)
        return judged(
            {number: (at, took, code == HTTP_OK) for number, (at, took, code) in rows.items()}, rate
        )

    def _rows(self, url: str, words: Sequence[str], seconds: float) -> dict[int, tuple[int, int, int]]:
        """Number of each request → when it was sent and how long it took, in nanoseconds; its status."""
        attack = [str(self.path), "attack", f"-duration={seconds}s", "-max-body=0", "-http2=false", *words]
        done = subprocess.run(attack, input=f"GET {url}\n".encode(), capture_output=True, check=True)
        encode = [str(self.path), "encode", "-to=csv"]
        text = subprocess.run(
            encode, input=done.stdout, capture_output=True, check=True, env=dict(os.environ)
        )
        rows = csv.reader(text.stdout.decode().splitlines())
        return {int(row[8]): (int(row[0]), int(row[2]), int(row[1])) for row in rows}


def judged(rows: dict[int, tuple[int, int, bool]], rate: float) -> Attack:
    """What became of requests. Vegeta itself counts from when each was sent.

    `rows`: number → when it was sent and how long it took, in nanoseconds; whether it was answered rightly.
    """
    first = min(at for at, _, _ in rows.values())
    late = {number: at - first - number * 1e9 / rate for number, (at, _, _) in rows.items()}
    began = min(late.values())
    due = sorted((late[number] - began + took) / 1e6 for number, (_, took, _) in rows.items())
    sent = sorted(took / 1e6 for _, took, _ in rows.values())
    return Attack(due, sent, sum(not right for _, _, right in rows.values()))
