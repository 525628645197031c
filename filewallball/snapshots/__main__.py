"""The commands of the CronJob's pod: `python3 -m filewallball.snapshots run`, `list` and `restore`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from filewallball.errors import UserError
from filewallball.jobs import stopping

if TYPE_CHECKING:
    from filewallball.snapshots.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: it failed; 2: wrong usage or environment."""
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.snapshots", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="take a snapshot, prove it and upload it")
    show = commands.add_parser("list", help="list the snapshots in the store")
    show.add_argument("--json", action="store_true", help="one object per line, the newest first")
    back = commands.add_parser("restore", help="put a snapshot in the place of the set's data")
    which = back.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="which one")
    which.add_argument("--latest", action="store_true", help="the newest verified one with keys")
    chosen = parser.parse_args(arguments)
    stopping.on_signals("before its end.", "filewallball:valkey.snapshots.deadlineMinutes")
    try:
        with stopping.told():
            if chosen.command == "list":
                return _list(as_json=chosen.json)
            return _run() if chosen.command == "run" else _restore(chosen.name)
    except UserError as error:
        print(f"valkey {chosen.command}: FAILED {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:  # outside of every step: the work directory itself
        hint = "See that the pod's volume `work` has room and may be written to."
        print(f"valkey {chosen.command}: FAILED {error}\n  {hint}", file=sys.stderr, flush=True)
        return 1


def _run() -> int:
    from filewallball.jobs.joblog import Log
    from filewallball.snapshots import job

    checked = _settings()
    manifest = job.run(checked, Log(_say, work_size=job.WORK_SIZE))
    _say(f"snapshot: OK {manifest.name}")
    return 0


def _restore(name: str | None) -> int:
    from filewallball.snapshots import job, restore

    checked = _settings()
    manifest = restore.run(checked, restore.LockedLog(_say, work_size=job.WORK_SIZE), name)
    _say(f"restore: OK {manifest.name}")
    return 0


def _settings() -> Settings:
    from filewallball.network import addresses, wait_admitted
    from filewallball.snapshots import settings

    checked = settings.from_environment(os.environ)
    sentinels = [(one.host, one.port) for one in checked.set.sentinels]
    wait_admitted([*sentinels, *addresses(checked.store.endpoint)])
    return checked


def _list(*, as_json: bool) -> int:
    from filewallball.backup import settings
    from filewallball.backup.store import Store
    from filewallball.backup.workdir import human
    from filewallball.network import addresses, wait_admitted
    from filewallball.snapshots import catalogue

    store = Store(settings.store_from_environment(os.environ))
    wait_admitted(addresses(store.settings.endpoint))
    newest = catalogue.latest(store) if as_json else None
    found = catalogue.entries(store)
    for entry in found:
        made = entry.manifest
        if as_json:
            about = {"name": entry.name, "verified": entry.verified, "keys": made.keys if made else None}
            _say(json.dumps(about | {"latest": newest is not None and newest.name == entry.name}))
            continue
        state = "verified" if entry.verified else entry.problem or "not verified"
        before = f", saved before {made.before_restore} was restored" if made and made.before_restore else ""
        keys = f"{made.keys} keys" if made else ""
        _say(f"{entry.name}  {human(entry.bytes):>10}  {keys:>12}  {state}{before}")
    if not found and not as_json:
        _say(f"No snapshots in {store.settings.where}.")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
