"""What this process has seen of a storage."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counts:
    """Since the storage was made. No lock: CPython does not switch threads within `+= 1` on an attribute."""

    hits: int = 0
    misses: int = 0
    writes: int = 0
    deletes: int = 0
    unavailable: int = 0
    """Calls that got a miss, or were dropped, since the store was away."""
    computed: int = 0
    stale: int = 0
    early: int = 0

    def told(self) -> dict[str, int | float]:
        """With `hit_rate`, the share of reads that found a value, in percent; 0.0 before the first read."""
        reads = self.hits + self.misses
        rate = round(100 * self.hits / reads, 2) if reads else 0.0
        return {"hit_rate": rate, **asdict(self)}
