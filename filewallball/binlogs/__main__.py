"""The command of the shipper's pod: `python3 -m filewallball.binlogs ship`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from facts.binlogs import ALIVE, READY
from filewallball.errors import UserError

if TYPE_CHECKING:
    from filewallball.backup.store import Store
    from filewallball.binlogs.settings import Settings

TIDY_SECONDS = 900.0
WAIT_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: it was told to end; 2: wrong usage or environment. Whatever else fails is tried again."""
    parser = argparse.ArgumentParser(prog="python3 -m filewallball.binlogs", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ship", help="copy the server's binary log into the store, until it is stopped")
    parser.parse_args(arguments)
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        _ship(stopping)
    except UserError as error:
        print(f"binlogs: FAILED {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return 0


def _ship(stopping: threading.Event) -> None:
    from filewallball.binlogs import catalogue, settings
    from filewallball.binlogs.merge import merge
    from filewallball.binlogs.prune import prune
    from filewallball.binlogs.server import Server
    from filewallball.binlogs.ship import Shipper
    from filewallball.network import addresses, wait_admitted

    if (found := opened(stopping)) is None:
        return
    checked, store = found
    wait_admitted([(checked.database.host, checked.database.port), *addresses(checked.store.endpoint)])
    server = Server(lambda: settings.database_from_environment(os.environ))
    logs, work, keys = catalogue.below(store), checked.work_dir, checked.recipients
    shipper = Shipper(server, logs, work, _say, keys)
    failed, tidy_at = "", time.monotonic()
    while not stopping.is_set():
        (checked.work_dir / ALIVE).touch()
        try:
            seen = shipper.turn()
            if failed:
                _say(f"It works again: the store has the log up to {seen.place}.")
            failed = ""
            if time.monotonic() >= tidy_at:
                tidy_at = time.monotonic() + TIDY_SECONDS
                prune(store, _say)
                # What was written meanwhile isn't in the store yet.
                if not merge(server, logs, work, _say, keys, checked.every):
                    tidy_at = time.monotonic()
        except (UserError, OSError) as error:
            # Once, not at each try: what was said before would be lost in the log.
            if str(error) != failed:
                _say(f"FAILED {error}")
            failed = str(error)
        stopping.wait(checked.every)
    shipper.close()


def opened(stopping: threading.Event) -> tuple[Settings, Store] | None:
    """The settings and the store, as soon as the user has made what belongs to them; None: told to end.

    Meanwhile the pod counts as ready: a deployment that waited for it would never end, as the Secret can be
    made only in a namespace that is there. The check `recovery-point` tells of it.
    """
    from filewallball.backup.environment import NotMade
    from filewallball.backup.store import Store
    from filewallball.binlogs import settings

    told = ""
    while not stopping.is_set():
        try:
            checked = settings.from_environment(os.environ)
            return checked, Store(checked.store)
        except NotMade as error:
            if str(error) != told:
                _say(f"Waiting: {error}")
            told = str(error)
        work = settings.work_dir(os.environ)
        (work / ALIVE).touch()
        (work / READY).touch()
        stopping.wait(WAIT_SECONDS)
    return None


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
