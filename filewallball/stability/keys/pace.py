"""How fast a server is read, so that its users hardly notice."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from filewallball.backup.rate import Rate

UNIT = 1024
"""Bytes of a value that count as one key: a larger value counts more than once."""
_SMALLEST = 64
"""Bytes that a key takes at least."""
DEFAULT = 10_000
"""Keys a second from each shard. Measured: benchmarks/redis_backup.py."""
_NICE = 10
"""The priority of a thread that stands back, as nice has it."""
_BURST_SECONDS = 0.002
"""How much of the work is asked for at once."""
_MOST = 1000
_LEAST = 10
_CHUNK = 256 * 1024
"""Bytes of a stream that are taken at a time."""
_BATCH = 4 * 2**20
"""Bytes of values that are on their way at a time, about."""


def stand_back() -> None:
    """Let others have the processor before this thread, the threads and the programs that it starts.

    For a thread that ends with its work. Elsewhere than on Linux threads have no such order of their own.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))


class Pace:
    """`rate`: keys a second; None: as fast as can be. `each`: bytes of a key in a stream, about."""

    def __init__(
        self,
        rate: int | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        *,
        each: float = UNIT,
    ) -> None:
        self._rate = rate
        self._limit = Rate(rate, clock, sleep)
        self._bytes_each = 0.0
        self._each = min(max(each, _SMALLEST), UNIT)

    @property
    def limited(self) -> bool:
        return bool(self._rate)

    def batch(self) -> int:
        """How many keys to ask for at once."""
        count = _MOST
        if self._rate:
            count = min(count, int(self._rate * _BURST_SECONDS / max(1.0, self._bytes_each / UNIT)))
        if self._bytes_each:
            count = min(count, int(_BATCH / self._bytes_each))
        return max(_LEAST, count)

    @property
    def chunk(self) -> int:
        """How many bytes of a stream to take at once: the servers that send and load it work for so long."""
        return max(_LEAST * UNIT, int(self._rate * self._each * _BURST_SECONDS)) if self._rate else _CHUNK

    def wait(self, keys: int, size: int) -> None:
        """Wait until as many keys, of that many bytes in all, are within the rate."""
        if keys:
            self._bytes_each += (size / keys - self._bytes_each) * 0.2 if self._bytes_each else size / keys
        self._limit.wait(max(keys, size / UNIT))

    def wait_bytes(self, size: int) -> None:
        """The same for a stream of bytes, in which keys can't be told."""
        self._limit.wait(size / self._each)
