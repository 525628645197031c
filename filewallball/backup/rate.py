"""How fast a server is read, so that those who use it hardly notice."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

_SHARE = 0.5
"""The part of the job's time that reading and loading may take together."""


def yield_the_disk() -> None:
    """Let this thread, and the processes that it starts, use the disk only when nobody else does.

    Schedulers that know no order of this kind ignore it, and so does a system without the program ionice.
    """
    with suppress(OSError):
        subprocess.run(["ionice", "--class", "idle", "--pid", str(os.getpid())], check=False)


def in_time(rate: int | None, size: int, seconds: int) -> int | None:
    """The rate, or a higher one with which so many bytes are read and then loaded in half of the time."""
    if not rate:
        return rate
    return max(rate, int(2 * size / (_SHARE * seconds)))


class Rate:
    """At most so many units a second, such as bytes; None: as fast as can be."""

    def __init__(
        self,
        a_second: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._clock, self._sleep = a_second, clock, sleep
        self._free = clock()

    def wait(self, units: float) -> None:
        """Wait until so many units more are within the rate."""
        if not self._rate:
            return
        now = self._clock()
        if self._free > now:
            self._sleep(self._free - now)
        # What was not used isn't saved up: a stall is no reason to hurry.
        self._free = max(self._free, now) + units / self._rate
