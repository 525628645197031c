"""Whether two series of measurements differ by more than they do by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median, variance

BLOCKS = 10
"""Moments that follow one another are alike, so a series counts as this many values at the most."""


@dataclass(frozen=True)
class Difference:
    """By how much one series is above another, and the standard error of that."""

    value: float
    error: float

    def beyond(self, errors: float) -> bool:
        """Whether chance would be a poor explanation: so many standard errors from none."""
        return abs(self.value) > errors * self.error


def of_medians(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Of the middle. Both have two values or more."""
    parts = [[median(part) for part in _parts(each)] for each in (before, after)]
    return Difference(median(after) - median(before), _error(*parts))


def of_means(before: Sequence[float], after: Sequence[float]) -> Difference:
    """Of the mean: for rare events, of which the middle has none. Both have two values or more."""
    parts = [[fmean(part) for part in _parts(each)] for each in (before, after)]
    return Difference(fmean(after) - fmean(before), _error(*parts))


def _parts(values: Sequence[float]) -> list[Sequence[float]]:
    """Neighbours together, in parts of nearly the same size."""
    count = min(BLOCKS, len(values))
    edges = [len(values) * number // count for number in range(count + 1)]
    return [values[first:last] for first, last in pairwise(edges)]


def _error(before: Sequence[float], after: Sequence[float]) -> float:
    return math.sqrt(variance(before) / len(before) + variance(after) / len(after))


def more_than_chance(before: int, after: int) -> bool:
    """Whether a count has grown by more than rare events do by themselves: three standard deviations."""
    return after - before > 3 * math.sqrt(before + 1)
