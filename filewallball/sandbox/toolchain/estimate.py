"""How far a long piece of work is, and how long it will still take, from what is done of a known total."""

from __future__ import annotations

import time
from collections.abc import Callable

REPORT_EVERY = 10.0
"""Seconds between two reports."""


class Estimate:
    """Counts what is done. It reports from time to time, as `812 of 3849 packages, about 5 min left`."""

    def __init__(self, total: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total
        self._unit = unit
        self._clock = clock
        self._started = self._shown = clock()
        self._done = 0

    def advance(self, note: Callable[[str], None], now: str) -> None:
        """One more is done; `now` names what is worked on."""
        self._done += 1
        moment = self._clock()
        if moment - self._shown >= REPORT_EVERY:
            self._shown = moment
            left = (moment - self._started) / self._done * max(0, self._total - self._done)
            note(f"{self._done} of {self._total} {self._unit}, {duration(left)} left, now {now}")


def duration(seconds: float) -> str:
    """A rough duration, as a person would say it: `about 40 s`, `about 5 min`."""
    if seconds < 90:
        return f"about {max(1, round(seconds / 10)) * 10} s"
    return f"about {round(seconds / 60)} min"
