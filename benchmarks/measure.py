"""Timing of whole commands in pairs: each pair runs both sides once, in turns, so drift hits both alike."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

Step = Callable[[], object]


@dataclass
class Result:
    """One figure. Times are wall-clock seconds; `limit` bounds what was `measured` (None: nothing does)."""

    name: str
    unit: str
    ours: list[float]
    limit: float | None
    peer: str = ""
    theirs: list[float] = field(default_factory=list[float])

    @property
    def measured(self) -> float:
        """Ratio of the medians, or our median where there is no peer."""
        ours = statistics.median(self.ours)
        return ours / statistics.median(self.theirs) if self.theirs else ours

    @property
    def within(self) -> bool:
        return self.limit is None or self.measured <= self.limit


def run(command: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; a failure shows its output."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | (env or {}),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(step: Step) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def pairs(ours: Step, theirs: Step, reset: Step, count: int) -> tuple[list[float], list[float]]:
    """Time both sides `count` times; which goes first alternates; `reset` runs before each, untimed."""
    times: dict[int, list[float]] = {0: [], 1: []}
    for number in range(count):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            reset()
            times[side].append(timed((ours, theirs)[side]))
    return times[0], times[1]


def save(results: Sequence[Result], path: Path) -> None:
    """Write the figures with the machine they were taken on."""
    document = {
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "results": [
            asdict(result) | {"measured": round(result.measured, 3), "within": result.within}
            for result in results
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def table(results: Sequence[Result]) -> str:
    """A markdown table: median (minimum to maximum) of each side, the figure judged, and its limit."""

    def spread(times: list[float]) -> str:
        if not times:
            return ""
        return f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"

    rows = ["| what | ours | peer | figure | limit | |", "| --- | --- | --- | --- | --- | --- |"]
    for result in results:
        peer = f"{spread(result.theirs)} {result.peer}".strip()
        kind = "×" if result.theirs else f" {result.unit}"
        limit = "" if result.limit is None else f"{result.limit:.3g}{kind}"
        verdict = "told" if result.limit is None else "within" if result.within else "OVER"
        cells = [
            result.name,
            f"{spread(result.ours)} {result.unit}",
            peer,
            f"{result.measured:.2f}{kind}",
            limit,
            verdict,
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)
