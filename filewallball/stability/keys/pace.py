"""How fast a server is read, so that its users hardly notice."""

from __future__ import annotations

import time
from collections.abc import Callable

from filewallball.backup.rate import Rate

UNIT = 1024
"""Bytes of a value that count as one key: a larger value counts more than once."""
DEFAULT = 10_000
"""Keys a second from each shard. Measured: benchmarks/redis_backup.py."""
_BURST_SECONDS = 0.002
"""How much of the work is asked for at once."""
_MOST = 1000
_LEAST = 10
_BATCH = 4 * 2**20
"""Bytes of values that are on their way at a time, about."""


class Pace:
    """`rate`: keys a second; None: as fast as can be."""

    def __init__(
        self,
        rate: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._limit = Rate(rate, clock, sleep)
        self._bytes_each = 0.0

    def batch(self) -> int:
        """How many keys to ask for at once."""
        count = _MOST
        if self._rate:
            count = min(count, int(self._rate * _BURST_SECONDS / max(1.0, self._bytes_each / UNIT)))
        if self._bytes_each:
            count = min(count, int(_BATCH / self._bytes_each))
        return max(_LEAST, count)

    def wait(self, keys: int, size: int) -> None:
        """Wait until as many keys, of that many bytes in all, are within the rate."""
        if keys:
            self._bytes_each += (size / keys - self._bytes_each) * 0.2 if self._bytes_each else size / keys
        self._limit.wait(max(keys, size / UNIT))

    def wait_bytes(self, size: int) -> None:
        """The same for a stream of bytes, in which keys can't be told."""
        self.wait(0, size)
