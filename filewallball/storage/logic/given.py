"""What a caller gives beside keys and values, looked at before anybody is asked."""

from __future__ import annotations

from collections.abc import Iterable

from filewallball.storage.errors import WrongSetting, WrongValue

MOST_SECONDS = 10 * 365 * 86_400
_INT64 = 1 << 63
"""What a counter can't reach, either way."""


def seconds(ttl: object) -> float | None:
    """A time to live, if it can be one. Raises WrongSetting."""
    if ttl is None:
        return None
    if found := seconds_or_none(ttl):
        return found
    raise WrongSetting(
        f"ttl is {ttl!r}. Write seconds above 0, {MOST_SECONDS} at most (ten years), or None for ever."
    )


def lasting(name: str, number: object) -> float:
    """Seconds of something that has to end. Raises WrongSetting."""
    if number is not None and (found := seconds_or_none(number)):
        return found
    raise WrongSetting(f"{name} is {number!r}. Write seconds above 0, {MOST_SECONDS} at most (ten years).")


def seconds_or_none(number: object) -> float | None:
    if isinstance(number, int | float) and not isinstance(number, bool) and 0 < number <= MOST_SECONDS:
        return float(number)
    return None


def many(name: str, keys: object) -> None:
    """Raises WrongValue for what is no list, and for one text, each of whose characters would be a key."""
    if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
        raise WrongValue(f"{name} is {keys!r}. Write a list of texts, such as ['user:1'].")


def whole(name: str, amount: object) -> int:
    if isinstance(amount, int) and not isinstance(amount, bool) and -_INT64 < amount < _INT64:
        return amount
    raise WrongValue(f"{name} is {amount!r}. Write a whole number within 64 bits.")


def finite(name: str, number: object, least: float) -> float:
    """Raises WrongSetting."""
    if isinstance(number, int | float) and not isinstance(number, bool) and least <= number <= MOST_SECONDS:
        return float(number)
    raise WrongSetting(f"{name} is {number!r}. Write a number from {least:g} to {MOST_SECONDS}.")
