"""Slows down whoever guesses passwords: counters in the cache, or in this process while the cache is gone."""

from __future__ import annotations

import hashlib
import ipaddress
import time
from collections.abc import Callable

from filewallball.app.cache import Cache
from filewallball.app.errors import TooMany

WINDOW_SECONDS = 900
PAIR, ADDRESS, ACCOUNT = 5, 100, 200
"""Failures in a window: of one account from one address, from one address, of one account from anywhere.

The last is high: it would let a stranger keep the owner out.
"""
_REMEMBERED = 10_000


class Throttle:
    def __init__(self, cache: Cache, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache, self._clock = cache, clock
        self._own: dict[str, tuple[int, float]] = {}

    async def attempt(self, email: str, address: str) -> None:
        """Count a try before it is made, so that many at once count too. Raises TooMany."""
        for key, most in self._keys(email, address).items():
            count = await self._cache.count(key, WINDOW_SECONDS)
            count = self._count(key) if count is None else count
            if count > most:
                raise TooMany("too_many_attempts", retry_after=WINDOW_SECONDS)

    async def succeeded(self, email: str, address: str) -> None:
        """Forget the account's failures from this address, and this try elsewhere."""
        pair, *others = self._keys(email, address)
        self._own.pop(pair, None)
        await self._cache.drop(pair)
        for key in others:
            await self._cache.count(key, WINDOW_SECONDS, -1)

    def _keys(self, email: str, address: str) -> dict[str, int]:
        account, place = hashlib.sha256(email.encode()).hexdigest()[:32], network(address)
        return {
            f"login:failed:pair:{account}:{place}": PAIR,
            f"login:failed:address:{place}": ADDRESS,
            f"login:failed:account:{account}": ACCOUNT,
        }

    def _count(self, key: str) -> int:
        now = self._clock()
        count, ends = self._own.get(key, (0, 0.0))
        if ends <= now:
            count, ends = 0, now + WINDOW_SECONDS
            if len(self._own) >= _REMEMBERED:
                self._own = {name: kept for name, kept in self._own.items() if kept[1] > now}
                while len(self._own) >= _REMEMBERED:
                    self._own.pop(next(iter(self._own)))
        self._own[key] = (count + 1, ends)
        return count + 1


def network(address: str) -> str:
    """What counts as one place: an address, of version 6 the network that one customer has."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 6 and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found) if found.version == 4 else str(ipaddress.ip_network(f"{found}/64", strict=False))
