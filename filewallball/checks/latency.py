"""Round trips to a server against a limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from filewallball.checks.result import CheckFailed
from filewallball.checks.stats import percentile

ROUNDS = 3
"""One slow round may be the fault of another program on the machine. If all are slow, it is the server or the
network.
"""
ROUND_SECONDS = 4.0
"""Over a very slow path a round ends early, so that the check says slow and not stuck."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of the time from request to reply, in milliseconds."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms"


def measure(operation: Callable[[], object], samples: int) -> Latency:
    """Time `operation` one call after the other, until there are enough samples or the time is up."""
    taken: list[float] = []
    end = time.perf_counter() + ROUND_SECONDS
    while len(taken) < samples and (not taken or time.perf_counter() < end):
        begin = time.perf_counter()
        operation()
        taken.append((time.perf_counter() - begin) * 1000)
    return Latency(percentile(taken, 50), percentile(taken, 99))


def judge(what: str, operation: Callable[[], object], samples: int, limit_ms: float, hint: str) -> str:
    """Measure until one round has its p99 within the limit; CheckFailed with the best round if none has."""
    best: Latency | None = None
    for _ in range(ROUNDS):
        seen = measure(operation, samples)
        if best is None or seen.p99 < best.p99:
            best = seen
        if best.p99 <= limit_ms:
            return f"{what} {best}"
        if seen.p50 > limit_ms:
            break  # slow throughout: another round would tell nothing new
    raise CheckFailed(
        f"{what} {best}, the best of up to {ROUNDS} rounds", f"p99 within {limit_ms:g} ms", hint
    )
