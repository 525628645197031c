"""What is asked of Redis for a lock, and what its answers mean: the same for threads and for asyncio.

The scripts (lua/) run as one step on the server, and by its clock.
"""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError, RedisError, TimeoutError

from filewallball.storage.errors import NotAcquired, NotHeld, Unavailable
from filewallball.storage.locks.given import above_zero, called

BLOCK_SECONDS = 0.2
"""How long one try waits to be woken: less than a client's time limit for an answer."""
HEARD_MS = 1500
"""Who waits and wasn't heard of for so long has died."""
CONFIRM_SECONDS = 0.25
"""How long a replica may take to confirm."""
BLOCKING = 4
"""How many of those who wait keep a connection each, to be woken at once. The rest ask again and again."""
POLL_SECONDS = 0.05
"""How often these ask."""
TICK_BITS = 46
"""The lower part of a token: the server's time in units of 64 microseconds, until the year 2112."""
_LATE_SECONDS = 1.0
"""How far clocks may drift apart while a lock is held."""


Confirmed = tuple[int, int] | None
"""By how many replicas, within how many milliseconds; None: by none."""


@dataclass(frozen=True)
class Script:
    """A Lua script as the server gets it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script lua/NAME.lua, behind what all of them share."""
    folder = resources.files("filewallball.storage.locks") / "lua"
    parts = [(folder / f"{part}.lua").read_text(encoding="utf-8") for part in ("common", name)]
    text = "\n".join(parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def milliseconds(ttl: float) -> int:
    """Of a time to live. Raises WrongSetting."""
    return math.ceil(min(above_zero(ttl) * 1000, 2**52))


def text(value: Any) -> str:
    """What clients give as bytes or as text, by their settings."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else str(value)


class Names:
    """The keys of one lock; all lie in one slot of a Cluster."""

    def __init__(self, prefix: str, name: str) -> None:
        self.name = called(name)
        self._start = f"{prefix}lock:{{{name.replace('%', '%25').replace('}', '%7D')}}}"
        self.keys = [self._start + end for end in (":held", ":queue", ":heard", ":last")]
        self.wake = f"{self._start}:wake:"

    @staticmethod
    def pattern(prefix: str) -> str:
        """For SCAN: the keys of all locks that are held."""
        escaped = "".join(f"\\{each}" if each in "*?[]\\^-" else each for each in prefix)
        return f"{escaped}lock:{{*}}:held"

    @staticmethod
    def of_key(prefix: str, key: Any) -> str:
        inner = text(key)[len(prefix) + len("lock:{") : -len("}:held")]
        return inner.replace("%7D", "}").replace("%25", "%")


@dataclass(frozen=True)
class Position:
    """A line of the server's history (its replication id), and the Sentinels' epoch of it."""

    history: str = ""
    epoch: int = 0


class Attempt:
    """One wish for a lock. It may be asked any number of times: the server knows it by its id."""

    def __init__(self, names: Names, ttl: float, wait: float | None) -> None:
        self.ttl = milliseconds(ttl)
        self.names = names
        self.id = secrets.token_hex(12)
        self.waits = wait is None or wait > 0
        self.wake = names.wake + self.id
        self._wait = wait
        self._until = math.inf if wait is None else time.monotonic() + wait
        self._seen = ""
        self._since = 0.0
        self._left = 0.0
        self.asked = 0.0
        """When it was asked last, by the clock of this process."""

    def acquire(self, position: Position) -> list[Any]:
        """The script's arguments."""
        self.asked = time.monotonic()
        waits = "1" if self.waits else "0"
        at = (position.epoch, position.history or "")
        return [self.id, self.ttl, waits, HEARD_MS, self._overdue(), *at]

    def release(self) -> list[Any]:
        """The same of the script that also gives up a place in the queue."""
        return [self.id, self.names.wake, HEARD_MS]

    def _overdue(self) -> str:
        """The holding that has been there for longer than its time to live, by the clock of this process."""
        if not self._seen:
            return ""
        ttl = int(self._seen.split(":")[3]) / 1000
        return self._seen if time.monotonic() > self._since + ttl + _LATE_SECONDS else ""

    def token(self, answer: list[Any]) -> int | None:
        """If it is ours; else there is `pause`."""
        value = text(answer[1])
        if text(answer[0]) == "mine":
            epoch, ticks = (int(part) for part in value.split(":")[1:3])
            return (epoch << TICK_BITS) + ticks
        if value != self._seen:
            self._seen, self._since = value, time.monotonic()
        left = int(answer[2]) / 1000
        self._left = left if left > 0 else BLOCK_SECONDS
        return None

    def pause(self) -> float:
        """How long to wait to be woken, in seconds. Raises NotAcquired."""
        left = self._until - time.monotonic()
        if not self.waits or left <= 0:
            raise NotAcquired(
                f"Somebody else holds the lock {self.names.name!r}. "
                f"Try again later, or wait longer than {self._wait} s."
            )
        return max(min(left, self._left, BLOCK_SECONDS), 0.005)


def unconfirmed(found: list[Any], replicas: int) -> bool:
    """Whether to run the script again by its text; raises what a script or too few replicas make of it."""
    answer, *confirmed = found
    if isinstance(answer, NoScriptError):
        return True
    for each in found:
        if isinstance(each, Exception):
            raise each
    if confirmed and int(confirmed[0]) < replicas:
        raise TimeoutError("no replica has confirmed the lock")
    return False


def highest(states: Iterable[Any]) -> int:
    """The epoch among Sentinels' answers to SENTINEL MASTER. Raises a RedisError if there is none."""
    found = [int(state["config-epoch"]) for state in states]
    if not found:
        raise TimeoutError("no Sentinel has told the epoch of its primary")
    return max(found)


def unavailable(name: str, error: RedisError) -> Unavailable:
    """The error for a server that can't be asked."""
    return Unavailable(f"The lock {name!r} can't be asked for: {error}. Try again later.")


def lost(name: str, token: int) -> NotHeld:
    """The error for a lock that was ours."""
    return NotHeld(
        f"The lock {name!r} with the token {token} is no longer held here. "
        "Do the work again under a new one, with a longer time to live."
    )
