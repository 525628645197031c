"""When a CronJob really runs: its schedule as Kubernetes reads it, and the nights that a zone leaves out.

Kubernetes (robfig/cron) skips a local time that doesn't exist: where clocks go from 02:00 to 03:00, nothing
runs that night at 02:30. Pure: no cluster, no Pulumi.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_WEEK = timedelta(days=7)
_YEAR = timedelta(days=366)
MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Short names for schedules that Kubernetes knows. `@every` is not among them, as it has no fixed times."""
_MOST = 400
"""How many runs are looked at to find the longest pause: a year of nights, or at least a week."""


def fields_of(schedule: str) -> list[str]:
    """Minute, hour, day of month, month and day of week."""
    return MACROS.get(schedule.strip(), schedule).split()


def _runs(schedule: str, moment: datetime, *, reverse: bool = False) -> CronSim:
    """The local times that fit, after `moment` or before it, as Kubernetes reads the schedule.

    Where the day of the month and the day of the week are both given, either will do. To cron `*/2` is as
    good as `*` in this, and then both must fit; to Kubernetes it is given.
    """
    minute, hour, day, month, weekday = fields_of(schedule)
    day, weekday = _spelt_out(day, 1, 31), _spelt_out(weekday, 0, 6)
    return CronSim(" ".join((minute, hour, day, month, weekday)), moment, reverse=reverse)


def _spelt_out(field: str, low: int, high: int) -> str:
    parts = field.replace("?", "*").split(",")
    if any(part in ("*", "*/1") for part in parts):
        return "*"
    return ",".join(part.replace("*", f"{low}-{high}") for part in parts)


def never_runs(schedule: str) -> bool:
    """Whether no day of any year fits, such as the 31st of February."""
    try:
        next(_runs(schedule, datetime(2024, 1, 1)))
    except (CronSimError, StopIteration):
        return True
    return False


@cache
def longest_pause(schedule: str) -> timedelta:
    """The longest time between two runs, clock changes apart, as far as the next runs show it."""
    starts = _local(schedule, datetime(2024, 1, 1), 8 * _YEAR)
    return max(later - earlier for earlier, later in pairwise(starts))


def _local(schedule: str, begin: datetime, span: timedelta) -> Iterator[datetime]:
    """The local times that fit, at most _MOST, of at least a week or two runs."""
    for count, start in enumerate(_runs(schedule, begin)):
        if count > 1 and (start - begin > span or (count > _MOST and start - begin > _WEEK)):
            return
        yield start


def skipped(schedule: str, time_zone: str, longest: timedelta, today: datetime) -> list[datetime]:
    """Local times in the year after `today` at which nothing runs because they don't exist.

    Only those that matter: where the pause that they leave is `longest` or more. An hourly job loses nothing.
    """
    zone = ZoneInfo(time_zone)
    return [
        missed
        for day in _changes(zone, today)
        for missed in _local_around(schedule, day)
        if not _exists(missed, zone) and _pause(schedule, missed, zone) >= longest
    ]


def _changes(zone: ZoneInfo, today: datetime) -> Iterator[datetime]:
    """The days, at midnight, in which clocks go forward."""
    day = datetime(today.year, today.month, today.day)
    for number in range(_YEAR.days):
        start = day + timedelta(days=number)
        before, after = ((start + timedelta(days=add)).replace(tzinfo=zone).utcoffset() for add in (0, 1))
        if before is not None and after is not None and after > before:
            yield start


def _local_around(schedule: str, day: datetime) -> Iterator[datetime]:
    for start in _runs(schedule, day - timedelta(minutes=1)):
        if start >= day + timedelta(days=1):
            return
        yield start


def _exists(local: datetime, zone: ZoneInfo) -> bool:
    return local.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local


def _pause(schedule: str, missed: datetime, zone: ZoneInfo) -> timedelta:
    """From the last run before to the first one after, in hours that really pass."""
    return _real(schedule, missed, zone, reverse=False) - _real(schedule, missed, zone, reverse=True)


def _real(schedule: str, missed: datetime, zone: ZoneInfo, *, reverse: bool) -> datetime:
    runs = _runs(schedule, missed, reverse=reverse)
    return next(start.replace(tzinfo=zone).astimezone(UTC) for start in runs if _exists(start, zone))
