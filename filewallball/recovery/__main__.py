"""The commands of the restore's pod: `python3 -m filewallball.recovery swap`, and `list` in the backup's."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime

from filewallball.errors import UserError
from filewallball.jobs import stopping


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: it failed; 2: wrong usage or environment."""
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.recovery", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("list", help="list what can be restored")
    show.add_argument("--json", action="store_true", help="one object per line, the newest first")
    swap = commands.add_parser("swap", help="put a backup in the place of the database")
    into = commands.add_parser("into", help="load a backup into a new database")
    for command in (swap, into):
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("--name", help="which one")
        which.add_argument("--latest", action="store_true", help="the newest that was restored in a trial")
        which.add_argument("--at", type=datetime.fromisoformat, help="the state at that time")
        command.add_argument("--table", action="append", default=[], help="only the table of this name")
    into.add_argument("--into", required=True, help="the new database")
    chosen = parser.parse_args(arguments)
    stopping.on_signals("before its end.", "filewallball:backup.deadlineMinutes")
    try:
        with stopping.told():
            if chosen.command == "list":
                return _list(as_json=chosen.json)
            if chosen.command == "into":
                return _restore(chosen.name, chosen.at, chosen.into, chosen.table)
            return _restore(chosen.name, chosen.at, tables=chosen.table)
    except UserError as error:
        print(f"restore: FAILED {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:  # outside of every step
        hint = "See that the server's volume and the pod's volume `work` have room and may be written to."
        print(f"restore: FAILED {error}\n  {hint}", file=sys.stderr, flush=True)
        return 1


def _restore(name: str | None, at: datetime | None, into: str = "", tables: Sequence[str] = ()) -> int:
    from filewallball.jobs.joblog import Log
    from filewallball.network import addresses, wait_admitted
    from filewallball.recovery import beside, settings, swap, volume
    from filewallball.recovery.choosing import Wanted

    checked = settings.from_environment(os.environ)
    database = checked.backup.database
    wait_admitted([(database.host, database.port), *addresses(checked.backup.store.endpoint)])
    log, wanted = Log(_say, work_size=volume.SETTING), Wanted(name, at)
    if into:
        manifest = beside.run(checked, log, wanted, into, tables)
        _say(f"restore: OK {manifest.name} into {into}")
    else:
        manifest = swap.run(checked, log, wanted, tables)
        _say(f"restore: OK {swap.named(tables)}{manifest.name}")
    return 0


def _list(*, as_json: bool) -> int:
    from filewallball.backup import catalogue, settings
    from filewallball.backup.store import Store
    from filewallball.backup.workdir import human
    from filewallball.network import addresses, wait_admitted
    from filewallball.recovery import forward
    from filewallball.recovery.choosing import restorable

    store = Store(settings.store_from_environment(os.environ))
    wait_admitted(addresses(store.settings.endpoint))
    found = catalogue.entries(store)
    for entry in found:
        made = entry.manifest
        rows = sum(table.rows for table in made.tables.values()) if made else 0
        before = made.before_restore if made else ""
        good = bool(made and restorable(made))
        if as_json:
            about = {"name": entry.name, "good": good, "rows": rows, "before_restore": before}
            about |= {
                "database": made.database if made else "",
                "seconds": made.restore_seconds if made else 0,
            }
            _say(json.dumps(about))
            continue
        state = "verified" if entry.verified else "restored, but differs" if good else entry.problem
        saved = f", saved before {before} was restored" if before else ""
        _say(f"{entry.name}  {human(entry.bytes):>10}  {rows:>12} rows  {state or 'not verified'}{saved}")
    if as_json:
        return 0
    if not found:
        _say(f"No backups in {store.settings.where}.")
    for line in forward.reach(store):
        _say(line)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
