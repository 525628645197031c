"""Moments as people write them after --at."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from filewallball.errors import ConfigError
from filewallball.recovery.moments import parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "hour"), [
    ("2026-11-21 10:15:00", 1),
    ("2026-11-21 10:15", 1),
    ("2026-11-21T10:15:00Z", 10),
    ("2026-11-21T10:15:00+09:00", 1),
    ("2026-11-21 10:15:00 UTC", 10),
    ("2026-11-21 10:15:00 Europe/Berlin", 9),
])  # fmt: skip
def test_a_moment_is_read_in_its_zone_or_in_the_stacks(text: str, hour: int) -> None:
    assert parse(text, "Asia/Seoul", NOW) == datetime(2026, 11, 21, hour, 15, tzinfo=UTC)


@pytest.mark.parametrize(("text", "told"), [
    ("yesterday", "is not a time"),
    ("2026-13-21 10:15:00", "is not a time"),
    ("2026-11-21 10:15:00 Nowhere/Town", "there is no time zone Nowhere/Town"),
    ("2026-11-21 10:15:00 Europe", "there is no time zone Europe"),
    ("2026-11-21 12:00:01Z", "is in the future"),
    ("2026-10-25 02:30:00 Europe/Berlin", "is shown twice"),
    ("2026-03-29 02:30:00 Europe/Berlin", "is never shown"),
])  # fmt: skip
def test_what_is_no_moment_is_wrong_usage(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        parse(text, "Asia/Seoul", NOW)
    assert text in raised.value.message
    assert raised.value.hint
