"""A loaded backup, brought forward to a moment by the binary log that was shipped since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from pymysql.cursors import Cursor

from filewallball.backup.manifest import Manifest
from filewallball.backup.store import Store
from filewallball.jobs.joblog import Log


@dataclass(frozen=True)
class Forward:
    """What is replayed, as filewallball.binlogs has planned it, which is loaded when it is needed."""

    plan: Any
    moment: datetime

    def apply(self, home: Path, cursor: Cursor, database: str, log: Log) -> None:
        """Replay into the throw-away server whose socket is in `home`. Raises UserError."""
        replay, target = (import_module(f"filewallball.binlogs.{name}") for name in ("replay", "target"))
        client = ["mariadb", "--no-defaults", f"--socket={home / 'socket'}", "--user=root"]
        with log.step("replay") as done:
            # The data is a copy of the real server's, whose own history means nothing for this database.
            cursor.execute("SET GLOBAL gtid_slave_pos = ''")
            found = replay.apply(self.plan, target.Target(client), database, log.progress)
            cursor.execute("SET GLOBAL gtid_slave_pos = ''")
            done += [f"{found.transactions} transactions, up to {self.moment:%Y-%m-%d %H:%M:%S} UTC"]


def plan(store: Store, manifest: Manifest, moment: datetime, log: Log) -> Forward:
    """How to get from the backup to the moment. Raises UserError that says what is missing."""
    with log.step("plan") as done:
        made = import_module("filewallball.binlogs.replay").plan(store, manifest, moment)
        done += [made.summary]
        return Forward(made, moment)


def reach(store: Store) -> list[str]:
    """From when to when `--at` works, and what lies between, a line each. Raises StoreError."""
    try:
        catalogue = import_module("filewallball.binlogs.catalogue")
    except ModuleNotFoundError:  # this version doesn't ship the log
        return []
    found = catalogue.windows(store)
    lines = [f"--at works from {_told(each.since)} to {_told(each.until)}" for each in found.windows]
    for each in found.gaps:
        lines += [f"--at doesn't work from {_told(each.since)} to {_told(each.until)}: {each.why}"]
    return lines or ["--at doesn't work yet: no binary log has been shipped after a backup."]


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
