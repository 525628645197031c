"""How long a fault may last: servers fail over, restart and move slots while keys are copied."""

from __future__ import annotations

import threading
import time

from filewallball.errors import UserError

SECONDS = 90.0
"""A failover of a cluster takes up to half a minute, a restart with much data longer."""
_PAUSE_SECONDS = 0.25


class Patience:
    """Ends when nothing has gone well for `seconds`, or when `stop` is set."""

    def __init__(self, stop: threading.Event, seconds: float = SECONDS) -> None:
        self._stop = stop
        self._seconds = seconds
        self._until = 0.0

    def went_well(self) -> None:
        self._until = 0.0

    def again(self, error: UserError) -> None:
        """Wait a moment before the next try. Raises the error once it has lasted too long."""
        now = time.monotonic()
        self._until = self._until or now + self._seconds
        if now > self._until:
            message = f"{error.message} (for {self._seconds:.0f} s)"
            raise error.retold(message, error.hint) from error
        if self._stop.wait(_PAUSE_SECONDS):
            raise Stopped("Another part has failed.")


class Stopped(UserError):
    """This part was given up, since another has failed: that one tells why."""
