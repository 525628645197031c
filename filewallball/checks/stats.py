"""The little statistics that the checks need: percentiles, and skewed choices as real caches see them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence


def percentile(samples: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest sample that `percent` % of the samples do not exceed."""
    if not samples:
        raise ValueError("no samples")
    rank = max(1, math.ceil(percent / 100 * len(samples)))
    return sorted(samples)[rank - 1]


def zipf_choices(items: int, skew: float, count: int, seed: int) -> list[int]:
    """`count` seeded draws from 0..items-1, where item i is drawn in proportion to 1 / (i + 1) ** skew.

    Requests to caches of the web follow such a law with a skew of 0.64 to 0.83 (Breslau et al., Web Caching
    and Zipf-like Distributions, INFOCOM 1999).
    """
    weights = itertools.accumulate(1 / (rank + 1) ** skew for rank in range(items))
    generator = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    return generator.choices(range(items), cum_weights=list(weights), k=count)
