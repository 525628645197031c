"""How long a call is tried while its server is away, and when calls fail at once: a circuit breaker.

A call that fails by what passes is tried again, for as long as a fail-over takes. When nothing has worked for
that long, the breaker opens: calls fail at once. After a pause one call may try, once; the others go on to
fail at once until it has worked. (M. Nygard, Release It!, 2nd edition, 2018, chapter 5, "Circuit Breaker".)

No lock is held anywhere, so that a fork at any moment leaves nothing locked in the child.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from redis.exceptions import MaxConnectionsError

from filewallball.storage.errors import Unavailable
from filewallball.storage.failures import NotSent, explained, passes, refused

PAUSE_SECONDS = 0.025
"""The shortest pause between two tries; the longest is twice as long, so that many clients spread."""
OPEN_SECONDS = 1.0
"""How long calls fail at once before one may try."""


class Patience:
    """Of one server, for all threads or tasks. `total`: for how many seconds a call is tried."""

    def __init__(
        self,
        where: str,
        total: float,
        *,
        attempt: float = 0.5,
        open_seconds: float = OPEN_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.where = where
        self.total = total
        self.attempt = attempt
        self.open_seconds = open_seconds
        self.clock = clock
        self.closed = True
        """Whether calls are let through; else `enter` decides."""
        self.failing_since: float | None = None
        """When the first try failed since the last one that worked."""
        self._until = self._last_failed = 0.0
        self._turns = [True]  # whoever pops it decides; pop and append are atomic

    @property
    def state(self) -> str:
        if self.closed:
            return "closed"
        return "open" if self.clock() < self._until else "half-open"

    def enter(self) -> bool:
        """Whether the caller is the one who tries while the breaker is open. Others get Unavailable."""
        if self.closed:
            return False
        if self.clock() >= self._until:
            try:
                self._turns.pop()
            except IndexError:
                pass
            else:
                # should whoever tries be ended in the middle, another may try after this time
                mine = self.clock() >= self._until
                if mine:
                    self._until = self.clock() + max(self.open_seconds, 10 * self.attempt)
                self._turns.append(True)
                if mine:
                    return True
        raise Unavailable(
            f"{self.where} has not answered for {self.total:g} seconds; it is tried again every "
            f"{self.open_seconds:g} seconds. Do without it until then."
        )

    def worked(self) -> None:
        """Tell it where `failing_since` is set or `closed` is not."""
        self.failing_since = None
        self.closed = True

    def noticed(self, now: float, *, probing: bool) -> None:
        """A try failed. When none has worked for the whole time, calls fail at once from now on."""
        if self.failing_since is None or now - self._last_failed > self.total:
            self.failing_since = now  # after a long silence, the failure before says nothing
        self._last_failed = now
        if probing or now - self.failing_since >= self.total:
            self._until = now + self.open_seconds
            self.closed = False


class Tries:
    """Of one call that failed. `once`: its command must not be done twice."""

    def __init__(self, patience: Patience, *, once: bool) -> None:
        self.patience = patience
        self.once = once
        self._since: float | None = None

    def failed(self, error: BaseException, *, probing: bool) -> float:
        """Seconds to pause before the next try. `probing`: what `enter` said. Raises what is to be told."""
        patience = self.patience
        sent = not isinstance(error, NotSent)
        error = error if sent else error.__cause__ or error
        if not passes(error):
            if probing:
                patience.worked()  # it answered
            raise explained(error, patience.where) from error
        now = patience.clock()
        if self._since is None:
            self._since = now
        if not isinstance(error, MaxConnectionsError):
            patience.noticed(now, probing=probing)
        if self.once and sent and not refused(error):
            raise Unavailable(
                f"{patience.where} went away before its answer came ({error}): it may be done, or not."
            ) from error
        if probing or now - self._since >= patience.total:
            raise explained(error, patience.where) from error
        return PAUSE_SECONDS * (1 + random.random())  # noqa: S311 - no secret
