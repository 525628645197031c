"""Loading a backup into a throw-away server on a copy of the data, and proving it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Loading:
    """What is loaded, and where it comes from: a backup's file, the real server, the log that follows it.

    `check` is called often, and may raise.
    """

    dump: Path
    manifest: Manifest
    live: Live
    forward: Forward | None
    log: Log
    check: Callable[[], None]

    @property
    def server(self) -> Server:
        """The real server, as a throw-away one has to be."""
        return Server(
            self.live.version, self.manifest.charset, self.manifest.collation, 0, self.live.variables
        )

    def onto(self, work: WorkDir, copy: Path) -> None:
        """Put the database into the copy of the server's data, from which it is missing.

        The server on the copy has ended in order when this returns. Raises UserError.
        """
        with server.on_copy(work, copy, self.live.variables) as running:
            with errors("Making room for the database"), running.connect() as connection:
                server.empty(connection.cursor(), copy, self.manifest.database)
            for line in self.into(running):
                self.log.say(line)

    def into(self, running: Throwaway) -> list[str]:
        """Load the backup under its database's own name, compare it, and go forward.

        Returns what could not be made as it was, and who is missing, a line each. Raises UserError.
        """
        database = self.manifest.database
        with self.log.step("load") as done, errors("Loading the backup"), running.connect() as connection:
            lender = server.Lender(connection.cursor(), database)
            progress = told(self.log, self.manifest.sql_bytes, self.check)
            refused = running.load(self.dump, self.server, database, progress, lender.look)
            strangers = lender.take_back()
            done += [f"{human(self.manifest.sql_bytes)} of SQL"]
        with self.log.step("compare") as done:
            self._compare(running)
            done += ["all tables and objects are as in the manifest"]
        if self.forward:
            self.forward.apply(running, database, self.log)
        return [*refused, *strangers]

    def step(self, table: str, number: int, of: int) -> None:
        """What hears which table is compared."""
        self.check()
        self.log.progress(f"comparing table {number} of {of} ({table})")

    def _compare(self, running: Throwaway) -> None:
        if lines := differing(self.manifest, running.inventory(self.manifest.database, self.step)):
            raise UserError(
                "\n  - ".join(["The restored copy is not what the manifest tells:", *lines]),
                f"Choose another backup than {self.manifest.name}.",
            )


def told(log: Log, of: int, check: Callable[[], None]) -> Callable[[int], None]:
    """What hears the bytes of SQL so far, and says them with the time that is left; `check` may raise."""
    started = log.clock()

    def progress(fed: int) -> None:
        check()
        passed = log.clock() - started
        left = f", about {passed / fed * max(of - fed, 0):.0f} s left" if fed and passed > 1 else ""
        log.progress(f"{human(fed)} of {human(of)} loaded{left}")

    return progress
