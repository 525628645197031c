"""A value that was computed, with what decides when it is computed again.

It stands in the store as `!computed <until> <cost> <ttl> ` and then the value itself, times in milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MARK = b"!computed "


@dataclass(frozen=True, slots=True)
class Entry:
    """`until`: seconds since 1970. `cost`: what computing took, and `ttl`: how long it is fresh, in
    seconds."""

    data: bytes
    until: float
    cost: float
    ttl: float

    @classmethod
    def read(cls, raw: bytes) -> Entry | None:
        """None for what isn't one."""
        if not raw.startswith(MARK):
            return None
        parts = raw[len(MARK) :].split(b" ", 3)
        if len(parts) < 4 or not all(part.isdigit() and len(part) < 16 for part in parts[:3]):
            return None
        until, cost, ttl = (int(part) / 1000 for part in parts[:3])
        return cls(parts[3], until, cost, ttl)

    def raw(self) -> bytes:
        numbers = (round(1000 * each) for each in (self.until, self.cost, self.ttl))
        return MARK + b"%d %d %d " % tuple(numbers) + self.data

    def left(self, now: float) -> float:
        """For how many seconds it is fresh; at most its whole time, should the clock have been set back."""
        return min(self.until - now, self.ttl)

    def early(self, now: float, beta: float, chance: Callable[[], float]) -> bool:
        """Whether the caller should compute it again while it is fresh: the likelier, the nearer its end and
        the longer it takes. So one caller in a crowd comes before the end. (XFetch: A. Vattani, F.
        Chierichetti, K. Lowenstein, Optimal Probabilistic Cache Stampede Prevention, PVLDB 8(8), 2015,
        algorithm 3.)
        """
        return self.left(now) <= -self.cost * beta * math.log(1.0 - chance())
