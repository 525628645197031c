"""A moment as people write it: `2026-11-21 10:15:00`, with a zone behind it or in the stack's own."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from filewallball.errors import ConfigError

_FORM = "Write it as 2026-11-21 10:15:00, 2026-11-21T10:15:00+09:00, or 2026-11-21 10:15:00 Asia/Seoul."
_PARTS = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?) ?(Z|[+-]\d\d:?\d\d|[A-Za-z][\w+/-]*)?")


def parse(text: str, zone: str, now: datetime) -> datetime:
    """The moment in UTC; `zone` holds if the text names none. Raises ConfigError."""
    match = _PARTS.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"--at {text!r} is not a time.", _FORM)
    told = match[2] or zone
    try:
        if told == "Z" or told[0] in "+-":
            moment = datetime.fromisoformat(match[1] + told)
        else:
            moment = _local(datetime.fromisoformat(match[1]), ZoneInfo(told), text)
    except (ZoneInfoNotFoundError, IsADirectoryError):
        raise ConfigError(f"--at {text!r}: there is no time zone {told}.", _FORM) from None
    except ValueError as error:
        raise ConfigError(f"--at {text!r} is not a time: {error}.", _FORM) from None
    if moment > now:
        raise ConfigError(
            f"--at {text!r} is in the future: it is {moment:%Y-%m-%d %H:%M:%S} UTC there, and now"
            f" {now:%Y-%m-%d %H:%M:%S} UTC.",
            f"Choose a moment that has passed. Without a zone, {zone} is meant.",
        )
    return moment.astimezone(UTC)


def _local(naive: datetime, zone: ZoneInfo, text: str) -> datetime:
    """The moment at which clocks of the zone show this. Some times are shown twice, and some never."""
    early, late = naive.replace(tzinfo=zone), naive.replace(tzinfo=zone, fold=1)
    if early.utcoffset() != late.utcoffset():
        shown = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
        how = "is shown twice" if shown else "is never shown"
        raise ConfigError(
            f"--at {text!r} {how} by the clocks of {zone.key}, which are changed around then.",
            "Write the offset from UTC behind it, such as 2026-11-21T10:15:00+09:00.",
        )
    return early
