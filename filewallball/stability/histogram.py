"""Latencies without end in little memory: counted by their three most significant digits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

DIGITS = 3


class Histogram:
    """Counts of times in microseconds. What it tells is exact to half a percent."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._most = 0.0

    def add(self, values: Sequence[float]) -> None:
        self._counts.update(map(_rounded, values))
        self._most = max(self._most, *values) if values else self._most

    def merge(self, other: Histogram) -> None:
        self._counts.update(other._counts)
        self._most = max(self._most, other._most)

    def __len__(self) -> int:
        return self._counts.total()

    def percentile(self, percent: float) -> float:
        """The nearest-rank percentile. Raises ValueError if nothing was counted."""
        if not self._counts:
            raise ValueError("nothing was counted")
        rank = max(1, math.ceil(percent / 100 * self._counts.total()))
        seen = 0
        for value in sorted(self._counts):
            seen += self._counts[value]
            if seen >= rank:
                return float(value)
        return self._most

    def summary(self) -> dict[str, float]:
        """What a poll tells, in milliseconds."""
        if not self._counts:
            return {}
        found = {f"p{percent:g}": self.percentile(percent) / 1000 for percent in (50, 90, 99, 99.9)}
        mean = sum(value * count for value, count in self._counts.items()) / self._counts.total()
        return {**found, "max": round(self._most / 1000, 3), "mean": round(mean / 1000, 4)}


def _rounded(value: float) -> int:
    whole = round(value)
    return round(whole, DIGITS - len(str(whole))) if whole >= 10**DIGITS else whole
