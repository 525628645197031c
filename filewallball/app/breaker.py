"""A breaker: who has just failed isn't asked again for a while, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable

OPEN_SECONDS = 1.0
"""How long nobody is let through after a failure."""
PROBE_SECONDS = 10.0
"""How long the one that tries may take before another one does."""


class Breaker:
    """Lets nobody through for a while after a failure, then one, and all again once that one succeeds."""

    def __init__(self, seconds: float = OPEN_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._failed = False
        self._next = 0.0

    @property
    def open(self) -> bool:
        return self._failed

    def lets_through(self) -> bool:
        """Whether to ask now; then succeeded() or failed() must follow."""
        if not self._failed:
            return True
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + PROBE_SECONDS
        return True

    def succeeded(self) -> None:
        self._failed = False

    def failed(self) -> None:
        self._failed, self._next = True, self._clock() + self._seconds
