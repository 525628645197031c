"""What a caller says of a lock, looked at before anybody is asked."""

from __future__ import annotations

import math

from filewallball.storage.errors import WrongSetting, WrongValue


def above_zero(ttl: object) -> float:
    """A time to live in seconds. Raises WrongSetting."""
    if isinstance(ttl, int | float) and not isinstance(ttl, bool) and 0 < ttl < math.inf:
        return float(ttl)
    raise WrongSetting(f"The time to live of a lock is {ttl!r}. Use a number of seconds above 0.")


def called(name: object) -> str:
    """The name of a lock. Raises WrongValue."""
    if isinstance(name, str):
        return name
    raise WrongValue(f"The name of a lock is {name!r}. Write a text.")


def span(ttl: float) -> int:
    """Nanoseconds. Raises WrongSetting."""
    return int(min(above_zero(ttl) * 1e9, 2**62)) or 1
