"""The command of the CronJob: `python3 -m filewallball.backup run`; `list` and `prune` for people."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from facts.backup import Variables
from filewallball.errors import UserError
from filewallball.jobs import stopping


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: it failed, nothing was uploaded; 2: wrong usage or environment."""
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.backup", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make one backup, prove it and upload it")
    run.add_argument(
        "--allow-empty", action="store_true", help="the database has no rows on purpose, though it had some"
    )
    run.add_argument("--rate", help="SQL that is read in a second, at most, such as 20Mi; 0: no limit")
    commands.add_parser("list", help="list the backups in the store")
    prune = commands.add_parser("prune", help="remove the backups that are older than they are kept")
    prune.add_argument("--dry-run", action="store_true", help="say which would be removed, and remove none")
    verify = commands.add_parser("verify", help="compare a backup in the store with its manifest")
    verify.add_argument("name", nargs="?", help="which one; if not given: the newest")
    chosen = parser.parse_args(arguments)
    stopping.on_signals(
        "before the backup was complete; nothing was uploaded.", "filewallball:backup.deadlineMinutes"
    )
    try:
        with stopping.told():
            if chosen.command == "run":
                return _run(allow_empty=chosen.allow_empty, rate=chosen.rate)
            if chosen.command == "verify":
                return _verify(chosen.name)
            return _list() if chosen.command == "list" else _prune(dry_run=chosen.dry_run)
    except UserError as error:
        print(f"backup: FAILED {error}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:  # outside of every step: the work directory itself
        print(
            f"backup: FAILED {error}\n  See that the pod's volume `work` has room and may be written to.",
            file=sys.stderr,
            flush=True,
        )
        return 1


def _run(*, allow_empty: bool, rate: str | None) -> int:
    from filewallball.backup import failures, job, settings, verdict
    from filewallball.backup.store import Store
    from filewallball.network import addresses, wait_admitted

    told = {Variables.RATE: rate} if rate is not None else {}
    checked = replace(settings.from_environment({**os.environ, **told}), allow_empty=allow_empty)
    wait_admitted([(checked.database.host, checked.database.port), *addresses(checked.store.endpoint)])
    store = Store(checked.store)
    try:
        with stopping.told():
            manifest = job.run(checked, job.Log(lambda line: print(line, flush=True)), store)
    except UserError as error:
        if error.exit_code == 1:  # with a wrong configuration there is no store to write to
            failures.record(store, error, datetime.now(UTC))
        raise
    print(verdict.told(manifest), flush=True)
    return 0


def _list() -> int:
    from filewallball.backup import catalogue, failures, settings, verdict
    from filewallball.backup.store import Store
    from filewallball.backup.workdir import human
    from filewallball.network import addresses, wait_admitted

    store = Store(settings.store_from_environment(os.environ))
    wait_admitted(addresses(store.settings.endpoint))
    found = catalogue.entries(store)
    for entry in found:
        print(f"{entry.name}  {human(entry.bytes):>10}  {verdict.of(entry)}")
    if not found:
        print(f"No backups in {store.settings.where}.")
    failures.lines(failures.recent(store), print)
    return 0


def _verify(name: str | None) -> int:
    from filewallball.backup import age, settings, verify
    from filewallball.backup.store import Store
    from filewallball.backup.workdir import human
    from filewallball.network import addresses, wait_admitted

    checked = settings.verify_from_environment(os.environ)
    keys = age.identities(Path(checked.identity)) if checked.identity else []
    store = Store(checked.store)
    wait_admitted(addresses(store.settings.endpoint))
    found = verify.verify(store, checked.database, name, keys, lambda line: print(line, flush=True))
    through = "Size and SHA-256 are those of the manifest"
    if not found.recipients or keys:
        through += ", and it unpacks to the whole dump that was proven"
    else:
        through += "; it is encrypted, and --identity FILE would look inside"
    print(f"backup: OK {found.name}, {human(found.bytes)}. {through}.", flush=True)
    return 0


def _prune(*, dry_run: bool) -> int:
    from datetime import UTC, datetime

    from filewallball.backup import catalogue, retention, settings
    from filewallball.backup.store import Store
    from filewallball.network import addresses, wait_admitted

    where, days = settings.keeping_from_environment(os.environ)
    store = Store(where)
    wait_admitted(addresses(store.settings.endpoint))
    if dry_run:
        gone = retention.expendable(catalogue.entries(store), days, datetime.now(UTC))
    else:
        gone = retention.prune(store, days)
    for name in gone:
        print(f"{name}  {'would be removed' if dry_run else 'removed'}")
    if not gone:
        print(f"No backup in {store.settings.where} has had its {days} days.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
