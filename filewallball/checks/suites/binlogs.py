"""The binary log in the store: how near to now a moment can be restored, and whether there is a gap."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from facts import binlogs as facts
from facts.checks.backups import BinlogsTarget
from filewallball.backup.store import Store, StoreError
from filewallball.binlogs import catalogue
from filewallball.binlogs.catalogue import Reach, Timeline
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import scheduled

PATIENCE_SECONDS = 40.0
POLL_SECONDS = 2.0
WARNED_FOR = timedelta(days=1)
BACKUP = "Run `fwb backup now STACK`: from that backup on every moment can be restored again."


def recovery_point(config: ChecksConfig) -> str:
    """The store has the binary log up to a minute ago or less, and a backup to begin with."""
    target = config[BinlogsTarget]
    store = scheduled.open_store_at(target.store)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found, lag = _found(store)
        # The server may have been restarted just now, by another check for one.
        late = lag is None or lag > target.max_lag_seconds
        reach = Reach((), ()) if late else catalogue.windows(store, found)
        if not late and not _overtaken(reach, found[-1], target.max_lag_seconds):
            break
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_SECONDS)
    if lag is None:
        raise CheckFailed(
            f"nothing of the binary log is in {store.settings.where}", "the shipper at work", _look(config)
        )
    if lag > target.max_lag_seconds:
        raise CheckFailed(
            f"the store has the binary log up to {lag:.0f} s ago: what was written since then would be lost "
            "with the volume",
            f"{target.max_lag_seconds:g} s or less",
            _look(config),
        )
    return _covered(store, reach, found[-1], lag)


def _found(store: Store) -> tuple[list[Timeline], float | None]:
    """The timelines, and how many seconds ago the newest was known to the last; None: there is nothing."""
    found = catalogue.timelines(catalogue.below(store))
    latest = found[-1].latest if found else None
    return found, datetime.now(UTC).timestamp() - latest.time if latest else None


def _overtaken(reach: Reach, newest: Timeline, seconds: float) -> bool:
    """Whether the newest backup was made just now, at a place of the log that isn't in the store yet."""
    if reach.newest is None or datetime.now(UTC) - reach.newest > timedelta(seconds=seconds):
        return False
    return not reach.windows or reach.windows[-1].timeline != newest.number


def _covered(store: Store, reach: Reach, newest: Timeline, lag: float) -> str:
    window = reach.windows[-1] if reach.windows else None
    begin = catalogue.begin_of(catalogue.below(store), newest.number)
    if window is None or window.timeline != newest.number:
        why = begin.why if begin and begin.broken else "No backup has been made since the log is shipped."
        raise CheckFailed(
            f"a moment after the newest backup can't be restored: {why}",
            "a verified backup since the log began",
            BACKUP,
        )
    gap = reach.gaps[-1] if reach.gaps else None
    if gap and datetime.now(UTC) - gap.until < WARNED_FOR:
        raise CheckWarned(
            f"moments from {gap.since:%Y-%m-%d %H:%M:%S} to {gap.until:%Y-%m-%d %H:%M:%S} UTC can't be "
            f"restored: {gap.why}",
            "a log without gaps",
            "All moments after the gap can be restored. See whether somebody meant what broke the log. "
            "If so, there is nothing to do: the warning ends a day after the gap.",
        )
    return f"every second from {window.since:%Y-%m-%d %H:%M:%S} UTC to {lag:.0f} s ago can be restored"


def _look(config: ChecksConfig) -> str:
    return (
        f"Look at `kubectl -n {config.namespace} logs deploy/{facts.NAME}`, which says what keeps the "
        "shipper from its work. Correct that. The shipper tries again by itself."
    )


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What an error of the store means for the person who runs the stack."""
    if isinstance(error, StoreError):
        in_cluster = f"Look at `kubectl -n {config.namespace} get pods`, which shows whether the store runs."
        return CheckFailed(error.message, "the store answers", error.hint or in_cluster)
    return None


CHECKS = (Check("recovery-point", recovery_point, quick=True, timeout=120, explain=explain),)

SUITE = Suite(BinlogsTarget, CHECKS, place=85)
