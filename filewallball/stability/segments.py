"""A moment of the load on one shard, in figures that two polls can be compared by."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

BURSTS = 4
"""In so many, the reference and the load have been on each pair of two processors."""
PERCENTS = (10, 50, 90, 99)
LIMITS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Requests that took longer are counted: an upper tail can't be told by percentiles of so few."""


@dataclass
class Segment:
    """`second`: when it begins. Times in microseconds. `served`: from a request to its reply.

    `whole`: from when it was due; `reference`: of the process that does nothing. `row` is what remains after
    `end`.
    """

    second: float
    served: list[float] = field(default_factory=list[float])
    whole: list[float] = field(default_factory=list[float])
    reference: list[float] = field(default_factory=list[float])
    errors: int = 0
    row: dict[str, Any] = field(default_factory=dict[str, Any])

    def end(self) -> None:
        """Keep the figures alone."""
        self.row = {
            "second": self.second,
            "requests": len(self.served),
            "errors": self.errors,
            "served": figures(self.served),
            "whole": figures(self.whole),
            "reference": figures(self.reference),
        }
        self.served, self.whole, self.reference = [], [], []


def figures(times: Sequence[float]) -> dict[str, Any]:
    """Percentiles, the mean, and how many were over each limit; nothing where there are none."""
    if not times:
        return {}
    ordered = sorted(times)
    found: dict[str, Any] = {f"p{percent}": round(at(ordered, percent), 1) for percent in PERCENTS}
    over = [len(ordered) - bisect_right(ordered, limit * 1000) for limit in LIMITS_MS]
    return {**found, "mean": round(sum(ordered) / len(ordered), 1), "over": over}


def at(ordered: Sequence[float], percent: float) -> float:
    """The percentile of values in order, between neighbours by their distance."""
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
