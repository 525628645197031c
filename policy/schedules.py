"""CronJobs and Jobs: one run at a time, at the hour that was meant, and with an end."""

from __future__ import annotations

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from policy.plain import at, is_unknown, text
from policy.resources import Resource
from policy.rule import Context, Finding, Rule

_LEAST_SECONDS = 10
"""The controller looks every ten seconds: a shorter deadline may always have passed."""


def _forbid(resource: Resource, _: Context) -> Iterable[Finding]:
    value = at(resource.props, "spec", "concurrencyPolicy")
    if resource.is_a("batch/CronJob") and value != "Forbid" and not is_unknown(value):
        found = f"is {value}" if value else "is not set, which means Allow"
        yield Finding(("spec", "concurrencyPolicy"), found, "Write Forbid.")


def _starting_deadline(resource: Resource, _: Context) -> Iterable[Finding]:
    value = at(resource.props, "spec", "startingDeadlineSeconds")
    if not resource.is_a("batch/CronJob") or is_unknown(value):
        return
    path = ("spec", "startingDeadlineSeconds")
    if value is None:
        yield Finding(path, "is not set", "Write how many seconds late a run may begin, such as 600.")
    elif isinstance(value, int) and value < _LEAST_SECONDS:
        yield Finding(path, f"is {value}: the controller looks every 10 seconds", "Write 10 or more.")


def _time_zone(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_a("batch/CronJob"):
        return
    path, value = ("spec", "timeZone"), at(resource.props, "spec", "timeZone")
    if "TZ=" in text(at(resource.props, "spec", "schedule")):
        yield Finding(("spec", "schedule"), "names a time zone", "Name it in spec.timeZone.")
    elif not value:
        yield Finding(
            path, "is not set, which means that of the control plane", "Write one, such as Etc/UTC."
        )
    elif not is_unknown(value) and not _exists(str(value)):
        yield Finding(path, f"is {value}, which is no time zone", "Write one of tz's, such as Asia/Seoul.")


def _exists(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return False
    return zone != "Local"


def _active_deadline(resource: Resource, _: Context) -> Iterable[Finding]:
    path = ("spec", "jobTemplate", "spec") if resource.is_a("batch/CronJob") else ("spec",)
    if resource.is_a("batch/CronJob", "batch/Job") and not at(resource.props, *path, "activeDeadlineSeconds"):
        yield Finding(
            (*path, "activeDeadlineSeconds"),
            "is not set",
            "Write how many seconds a run may take at most.",
        )


_FAMILY = "Schedules"
RULES = (
    Rule("cronjob-forbid", _FAMILY, "Two runs of the same job at the same time disturb each other.", _forbid),
    Rule(
        "cronjob-starting-deadline",
        _FAMILY,
        "Without a deadline, a CronJob stops for ever after 100 missed runs.",
        _starting_deadline,
    ),
    Rule("cronjob-time-zone", _FAMILY, "The hour of a schedule depends on the time zone.", _time_zone),
    Rule("job-deadline", _FAMILY, "A run that hangs blocks all later runs.", _active_deadline),
)
