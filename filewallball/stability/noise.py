"""Whether two series of measurements differ by more than they do by themselves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from statistics import NormalDist, median


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided p-value that both come from the same source: by ranks, so that outliers count little.

    H. B. Mann and D. R. Whitney, 1947, in the normal approximation with ties and continuity corrected: good
    from eight values on each side. 1.0 where a side is empty or all are equal.
    """
    first, second = len(one), len(other)
    total = first + second
    ordered = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    rank_sum, ties, place = 0.0, 0, 1
    for _, group in groupby(ordered, key=lambda each: each[0]):
        sides = [side for _, side in group]
        rank = place + (len(sides) - 1) / 2
        rank_sum += rank * sides.count(0)
        ties += len(sides) ** 3 - len(sides)
        place += len(sides)
    if not first or not second:
        return 1.0
    spread = first * second / 12 * ((total + 1) - ties / (total * (total - 1)))
    if spread <= 0:
        return 1.0
    distance = abs(rank_sum - first * (first + 1) / 2 - first * second / 2)
    return 2 * NormalDist().cdf(-max(0.0, distance - 0.5) / math.sqrt(spread))


def shift(before: Sequence[float], after: Sequence[float]) -> float:
    """By how much `after` is larger: the median of all differences (Hodges and Lehmann, 1963)."""
    return median(late - early for early in before for late in after)


def blocks(values: Sequence[float], most: int) -> list[float]:
    """The medians of neighbours, so that at most so many remain; as they are if there are fewer."""
    size = max(1, len(values) // most)
    return [median(values[at : at + size]) for at in range(0, len(values) - size + 1, size)]


def more_than_chance(before: int, after: int) -> bool:
    """Whether a count has grown by more than rare events do by themselves: three standard deviations."""
    return after - before > 3 * math.sqrt(before + 1)
