"""What a CronJob keeps making: planned as declared, and the newest one young enough."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from facts.checks.backups import ScheduledTarget, StoreTarget
from filewallball.backup.environment import keys_there
from filewallball.backup.names import MANIFEST_SUFFIX
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import Store
from filewallball.checks.config import read_secret
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.kube import Kube

Object = dict[str, Any]

CLOCK_GRACE = timedelta(minutes=10)
"""How far the clocks of two machines may differ before something counts as made in the future."""


def schedule(namespace: str, target: ScheduledTarget, setting: str) -> str:
    """The CronJob will start at the declared times; `setting` is where the stack's file declares them."""
    with Kube.connect() as kube:
        spec = cronjob(kube, namespace, target)["spec"]
    wanted = {
        "schedule": target.schedule,
        "timeZone": target.time_zone,
        "suspend": False,
        "concurrencyPolicy": "Forbid",
    }
    live = {**{"suspend": False, "concurrencyPolicy": "Allow"}, **spec}
    wrong = [name for name, value in wanted.items() if live.get(name) != value]
    if wrong:
        raise CheckFailed(
            ", ".join(f"{name} is {_plain(live.get(name))}" for name in wrong),
            ", ".join(f"{name} {_plain(wanted[name])}" for name in wrong),
            f"Somebody changed the CronJob {target.cronjob} by hand. Its times come from {setting} and "
            "filewallball:timeZone. Run `fwb up`, which sets it back.",
        )
    return f"{spec['schedule']} {spec['timeZone']}"


def _plain(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def cronjob(kube: Kube, namespace: str, target: ScheduledTarget) -> Object:
    """The CronJob. Raises CheckFailed if it is gone."""
    found = kube.get("batch/v1", "CronJob", target.cronjob, namespace)
    if found is None:
        raise CheckFailed(
            f"there is no CronJob {target.cronjob}", "one that makes the backups", "Run `fwb up`."
        )
    return found


def open_store(target: ScheduledTarget) -> Store:
    """The bucket of the stack, by the checks' own mounted credentials."""
    return open_store_at(target.store)


def open_store_at(store: StoreTarget) -> Store:
    """The same, by what the checks are told of it. Raises NotMade."""
    keys_there(store.access_key_file, store.secret_key_file, store.session_token_file)
    return Store(
        StoreSettings(
            bucket=store.bucket,
            prefix=store.prefix,
            endpoint=store.endpoint,
            region=store.region,
            access_key=read_secret(store.access_key_file) if store.access_key_file else None,
            secret_key=read_secret(store.secret_key_file) if store.secret_key_file else None,
            session_token=read_secret(store.session_token_file) if store.session_token_file else None,
            ca_file=store.ca_file,
            addressing=store.addressing,
        )
    )


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest verified one of its kind, `what`; `remedy` is the command that makes one now."""

    what: str
    remedy: str
    where: str
    name: str
    created: datetime


def judge_age(namespace: str, target: ScheduledTarget, newest: Newest) -> str:
    """How old it is. Raises CheckFailed if it is too old, or dated in the future.

    CheckWarned, where it is too old since the whole stack was stopped meanwhile.
    """
    age = datetime.now(UTC) - newest.created
    if age < -CLOCK_GRACE:
        raise CheckFailed(
            f"the newest verified {newest.what} {newest.name} is dated {-age.total_seconds() / 3600:.1f} h "
            "in the future, and hides how old the others are",
            "one of the past",
            "A clock is or was wrong. Compare `date -u` on the nodes, and set the wrong clock. If the "
            f"{newest.what}'s date is wrong, run {newest.remedy}, and then move {newest.name} and its "
            f"{MANIFEST_SUFFIX} out of {newest.where}.",
        )
    seen = f"{newest.name} is {age.total_seconds() / 3600:.1f} h old"
    if age > timedelta(hours=target.max_age_hours):
        wanted = f"younger than {target.max_age_hours:g} h"
        raise _late(namespace, target, f"the newest verified {newest.what} {seen}", wanted, newest.remedy)
    return seen


def _started_ago(namespace: str, target: ScheduledTarget) -> timedelta | None:
    """How long the stack has been running, if it was stopped when one was due, and none has been due since.

    Stopped as a whole: none of its containers has run for longer, and the CronJob, which is older than that,
    has started nothing. In a young stack nothing was due yet.
    """
    limit = timedelta(hours=target.max_age_hours)
    with Kube.connect() as kube:
        planned = cronjob(kube, namespace, target)
        pods = kube.list("v1", "Pod", namespace)
    last = planned.get("status", {}).get("lastScheduleTime")
    if _ago(last or planned["metadata"]["creationTimestamp"]) < limit:
        return None
    states = (each["state"] for pod in pods for each in pod["status"].get("containerStatuses", []))
    running = max((_ago(each["running"]["startedAt"]) for each in states if "running" in each), default=limit)
    return running if running < limit else None


def _ago(moment: str) -> timedelta:
    return datetime.now(UTC) - datetime.fromisoformat(moment)


def none_at_all(
    namespace: str, target: ScheduledTarget, store: Store, count: int, what: str, remedy: str
) -> CheckFailed:
    """What to raise of a store without any verified one."""
    seen = f"no verified {what} in {store.settings.where}, {count} in all"
    return _late(namespace, target, seen, f"one younger than {target.max_age_hours:g} h", remedy)


def _late(namespace: str, target: ScheduledTarget, seen: str, wanted: str, remedy: str) -> CheckFailed:
    """A failure; or a warning, where the whole stack was stopped when one was due."""
    if ago := _started_ago(namespace, target):
        minutes = ago.total_seconds() / 60
        return CheckWarned(
            f"{seen}: the stack was stopped meanwhile, and was started {minutes:.0f} min ago",
            wanted,
            f"The next one is due by its schedule, {target.schedule} {target.time_zone}. To have one now, "
            f"run {remedy}.",
        )
    return CheckFailed(seen, wanted, why_none(namespace, target, remedy))


def why_none(namespace: str, target: ScheduledTarget, remedy: str) -> str:
    return (
        f"Look at `kubectl -n {namespace} get jobs`, which shows how those of the CronJob {target.cronjob} "
        f"ended. Run {remedy}, which makes one now, or says what is wrong."
    )
