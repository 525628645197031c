"""Schedules against the clock: nights that a time zone leaves out, and pauses that are too long."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from program_run import DEV, merged

import settings
from components import schedule

TODAY = datetime(2026, 11, 26)
DAY = timedelta(hours=26)


@pytest.mark.parametrize(
    ("text", "zone", "missed"),
    [
        ("0 2 * * *", "America/New_York", [datetime(2027, 3, 14, 2, 0)]),
        ("30 2 * * *", "Europe/Berlin", [datetime(2027, 3, 28, 2, 30)]),
        ("0 0 * * *", "America/Santiago", [datetime(2027, 9, 5, 0, 0)]),
        ("15 2 * * *", "Australia/Lord_Howe", [datetime(2027, 10, 3, 2, 15)]),
        ("0 2 * * sun", "America/New_York", [datetime(2027, 3, 14, 2, 0)]),
        ("0 3 * * *", "America/New_York", []),  # the clock shows 03:00 that night
        ("0 1 * * *", "America/New_York", []),  # twice in autumn, never missing
        ("0 2 * * *", "Asia/Seoul", []),
        ("0 2 * * *", "Etc/UTC", []),
        ("15 * * * *", "America/New_York", []),  # an hour that isn't there costs an hourly job nothing
        ("0 2,14 * * *", "America/New_York", []),  # the next one comes in time
    ],
)
def test_the_nights_that_a_time_zone_leaves_out(text: str, zone: str, missed: list[datetime]) -> None:
    assert schedule.skipped(text, zone, DAY, TODAY) == missed


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("0 2 * * *", 24), ("* * * * *", 1 / 60), ("0 2 * * mon", 168), ("0 9-17 * * mon-fri", 64),
        ("0 2 1 * *", 31 * 24), ("0 0 29 2 *", 1461 * 24),
        ("@daily", 24), ("@weekly", 168), ("0 2 ? * sun", 168),
        # both days are given: either will do
        ("0 2 */2 * mon", 48), ("0 2 13 * fri", 168), ("0 2 1 * */2", 48),
        # one of them isn't
        ("0 2 */1 * mon", 168), ("0 2 1,* * fri", 168), ("0 2 */2 * *", 48),
    ],
)  # fmt: skip
def test_the_longest_pause(text: str, hours: float) -> None:
    assert schedule.longest_pause(text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "never"),
    [("0 0 31 2 *", True), ("0 0 30 2 *", True), ("0 0 29 2 *", False), ("0 0 31 2 1", False)],
)
def test_a_day_that_no_month_has(text: str, never: bool) -> None:
    assert schedule.never_runs(text) is never


def test_the_program_is_warned_of_the_night_and_of_what_to_write() -> None:
    stack = settings.load(merged(DEV, {"timeZone": "America/New_York"}), "test")
    [warning] = stack.warnings(TODAY)
    assert "filewallball:backup.schedule = '0 2 * * *'" in warning
    assert "2027-03-14, and 02:00 doesn't exist that day" in warning
    assert "Write an hour that every day has" in warning
    assert not list(settings.load(DEV, "test").warnings(TODAY))
