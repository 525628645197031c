"""A loaded backup, brought forward to a moment by the binary log that was shipped since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from filewallball.backup import age
from filewallball.backup.manifest import Manifest
from filewallball.backup.restore import Throwaway
from filewallball.backup.store import Store
from filewallball.binlogs import catalogue, replay
from filewallball.binlogs.target import Target
from filewallball.jobs.joblog import Log


@dataclass(frozen=True)
class Forward:
    """What is replayed, as it was planned."""

    plan: replay.Plan
    moment: datetime

    def __str__(self) -> str:
        return f"{self.moment:%Y-%m-%d %H:%M:%S} UTC"

    def apply(self, running: Throwaway, database: str, log: Log) -> None:
        """Replay into a throw-away server that has the backup. Raises UserError."""
        target = Target(running.client())
        with log.step("replay") as done:
            # The data may be a copy of the real server's, whose own history means nothing for this database.
            target.ask("SET GLOBAL gtid_slave_pos = ''")
            found = replay.apply(self.plan, target, database, log.progress)
            target.ask("SET GLOBAL gtid_slave_pos = ''")
            done += [f"{found.transactions} transactions, up to {self}"]


def plan(
    store: Store, manifest: Manifest, moment: datetime, keys: Sequence[age.Identity], log: Log
) -> Forward:
    """How to get from the backup to the moment. Raises UserError that says what is missing, age.NoKey."""
    with log.step("plan") as done:
        made = replay.plan(store, manifest, moment, keys)
        done += [made.summary]
        return Forward(made, moment)


def reach(store: Store) -> list[str]:
    """From when to when `--at` works, and what lies between, a line each. Raises StoreError."""
    found = catalogue.windows(store)
    lines = [f"--at works from {_told(each.since)} to {_told(each.until)}" for each in found.windows]
    for each in found.gaps:
        lines += [f"--at doesn't work from {_told(each.since)} to {_told(each.until)}: {each.why}"]
    return lines or ["--at doesn't work yet: no binary log has been shipped after a backup."]


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
