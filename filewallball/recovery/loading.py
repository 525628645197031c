"""Loading a backup into a throw-away server on a copy of the data, and proving it there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from filewallball.backup.database import Server, errors, series
from filewallball.backup.manifest import Manifest
from filewallball.backup.restore import Throwaway, server_version
from filewallball.backup.workdir import WorkDir, human
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.recovery import server
from filewallball.recovery.comparing import differing
from filewallball.recovery.forward import Forward
from filewallball.recovery.live import Live


def check_series(version: str) -> None:
    """Raise UserError if the throw-away server is of another release series than the real one."""
    if (ours := series(server_version())) != (theirs := series(version)):
        raise UserError(
            f"The server is MariaDB {theirs}, and the throw-away server is {ours}: its data would not fit.",
            f"Use a toolkit image with MariaDB {theirs}.",
        )


def load(
    work: WorkDir,
    copy: Path,
    dump: Path,
    manifest: Manifest,
    live: Live,
    log: Log,
    check: Callable[[], None],
    forward: Forward | None = None,
) -> None:
    """Put the backup into the copy under the database's own name, compare it with the manifest, go forward.

    The server on the copy has ended in order when this returns. Raises UserError.
    """
    owners = server.owners_in(dump)
    with server.on_copy(work, copy, live.variables) as running:
        home = work.path / server.HOME
        with log.step("load") as done, errors("Loading the backup"), server.connect(home) as connection:
            cursor = connection.cursor()
            server.empty(cursor, copy, manifest.database)
            strangers = server.missing(cursor, owners)
            server.lend(cursor, strangers, manifest.database)
            refused = running.load(
                dump, _as(manifest, live), manifest.database, told(log, manifest.sql_bytes, check)
            )
            server.take_back(cursor, strangers)
            done += [f"{human(manifest.sql_bytes)} of SQL"]
        for line in refused:
            log.say(line)
        for user, host in strangers:
            log.say(
                f"something in it is defined by '{user}'@'{host}', whom this server doesn't know: it will "
                f"not run before you CREATE USER '{user}'@'{host}' and grant it what it needs"
            )
        with log.step("compare") as done:
            compare(running, manifest, log, check)
            done += ["all tables and objects are as in the manifest"]
        if forward:
            with errors("Replaying the binary log"), server.connect(home) as connection:
                forward.apply(home, connection.cursor(), manifest.database, log)


def compare(running: Throwaway, manifest: Manifest, log: Log, check: Callable[[], None]) -> None:
    """Raise UserError unless the loaded database is what the manifest tells."""

    def step(table: str, number: int, of: int) -> None:
        check()
        log.progress(f"comparing table {number} of {of} ({table})")

    if lines := differing(manifest, running.inventory(manifest.database, step)):
        raise UserError(
            "The restored copy is not what the manifest tells:\n"
            + "\n".join(f"  - {line}" for line in lines),
            f"Choose another backup than {manifest.name}.",
        )


def _as(manifest: Manifest, live: Live) -> Server:
    return Server(live.version, manifest.charset, manifest.collation, 0, live.variables)


def told(log: Log, of: int, check: Callable[[], None]) -> Callable[[int], None]:
    """What hears the bytes of SQL so far, and says them with the time that is left; `check` may raise."""
    started = log.clock()

    def progress(fed: int) -> None:
        check()
        passed = log.clock() - started
        left = f", about {passed / fed * max(of - fed, 0):.0f} s left" if fed and passed > 1 else ""
        log.progress(f"{human(fed)} of {human(of)} loaded{left}")

    return progress
