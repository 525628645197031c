"""One second of the load on one shard, in figures that two polls can be compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

PERCENTS = (5, 10, 25, 50, 90, 99)


@dataclass
class Segment:
    """Times in microseconds. `served`: from a request to its reply; `whole`: from when it was due.

    `reference`: the same of the process that does nothing. `row` is what remains after `end`.
    """

    second: int
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


def figures(times: Sequence[float]) -> dict[str, float]:
    """Percentiles and the mean; nothing where there are none."""
    if not times:
        return {}
    ordered = sorted(times)
    found = {f"p{percent}": round(at(ordered, percent), 1) for percent in PERCENTS}
    return {**found, "mean": round(sum(ordered) / len(ordered), 1)}


def at(ordered: Sequence[float], percent: float) -> float:
    """The percentile of values in order, between neighbours by their distance."""
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
