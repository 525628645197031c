"""A throw-away MariaDB server on a socket in the work directory: a backup is restored into it to prove it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from filewallball.backup import again, engines, inventory, mariadbd, owners, zones
from filewallball.backup.database import SESSION, Server, errors, quote, series
from filewallball.backup.inventory import Definition, Inventory
from filewallball.backup.packed import unpacked
from filewallball.backup.program import client_environment, feeding
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir, full
from filewallball.errors import UserError

EMPTY_SERVER = 96 * 2**20
"""Bytes that an empty server takes: system tables, redo log, undo and temporary space."""
_START_SECONDS = 120.0
_SOCKET_LENGTH = 107
"""The kernel's limit for the path of a socket, in bytes. A work directory on a laptop may be deep."""
_LITTLE = 16 * 2**20
"""Bytes. With less room left, a failed restore is said to have run out of room."""
_ZONE_UNKNOWN = "Unknown or incorrect time zone"
_ZONES_HINT = (
    "The backup's user could not copy the server's time zones. Run as an administrator: "
    + " ".join(f"GRANT SELECT ON mysql.{table} TO …;" for table in zones.TABLES)
)
_FULL = ("No space left", "Disk is full", "is full", "Errcode: 28", "error: 28")


def server_version() -> str:
    """The version of the mariadbd on PATH. Raises UserError if there is none."""
    try:
        done = subprocess.run(
            ["mariadbd", "--no-defaults", "--version"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(
            f"mariadbd does not run here ({error}), and without it no backup can be verified.",
            "Use the toolkit image, or install mariadb-server-core and mariadb-client.",
        ) from error
    return done.stdout.strip()


def check_series(server: Server) -> None:
    """Raise UserError if the throw-away server is of another release series than `server`."""
    if (ours := series(server_version())) != server.series:
        raise UserError(
            f"The server is MariaDB {server.series}, and the throw-away server is {ours}: that would prove "
            "little.",
            f"Use a toolkit image with MariaDB {server.series}.",
        )


class Throwaway:
    """A running throw-away server."""

    def __init__(self, work: WorkDir, home: Path, socket: Path, process: subprocess.Popen[bytes]) -> None:
        self._work = work
        self._home = home
        self._socket = socket
        self._process = process

    def load(
        self,
        dump: Path,
        server: Server,
        database: str,
        progress: Callable[[int], None],
        look: Callable[[bytes], None] | None = None,
    ) -> tuple[str, ...]:
        """Create `database` as the server has it, and load the dump: as `add`."""
        with errors("Creating the database to restore into"), self.connect() as connection:
            connection.cursor().execute(
                f"CREATE DATABASE {quote(database)} CHARACTER SET {server.charset} COLLATE {server.collation}"
            )
        return self.add(dump, database, progress, look)

    def add(
        self,
        dump: Path,
        database: str,
        progress: Callable[[int], None],
        look: Callable[[bytes], None] | None = None,
    ) -> tuple[str, ...]:
        """Load a dump into a database that is there; `progress` hears SQL bytes so far.

        `look` gets each piece of SQL before the server does.

        Returns what could not be made as it was, a line each. Raises UserError if the file does not unpack
        or a statement fails.
        """
        messages, told = self._home / "client.err", self._home / "client.out"
        with messages.open("wb") as errors_to, told.open("wb") as told_to:
            client = subprocess.Popen(
                [
                    *self.client(),
                    "--binary-mode",
                    "--comments",
                    "--default-character-set=utf8mb4",
                    "--max-allowed-packet=1G",
                    "--batch",
                    "--skip-column-names",
                    database,
                ],
                stdin=subprocess.PIPE,
                stdout=told_to,
                stderr=errors_to,
                env=client_environment(self._work),
            )
        self._feed(client, dump, progress, look)
        if client.returncode != 0:
            raise self._failed(
                "Restoring the dump failed", messages.read_text(errors="replace", encoding="utf-8")
            )
        lines = told.read_text(errors="replace", encoding="utf-8").splitlines()
        if any(sign in line for line in lines for sign in _FULL):
            raise self._failed("Restoring the dump failed", "\n".join(lines))
        return tuple(f"{line} {_ZONES_HINT}" if _ZONE_UNKNOWN in line else line for line in lines)

    def know_owners(self, settings: DatabaseSettings) -> None:
        """Make accounts for those who own views and routines. Raises UserError."""
        found = owners.of(settings)
        with errors("Making the owners of views and routines"), self.connect() as connection:
            owners.make(connection.cursor(), found, settings.name)

    def know_zones(self, settings: DatabaseSettings) -> None:
        """Give the server the time zones of the one that is backed up. Raises UserError."""
        messages = self._home / "zones.err"
        environment = client_environment(self._work)
        with messages.open("wb") as errors_to:
            dump = subprocess.Popen(
                zones.command(settings),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors_to,
                env={**environment, "MYSQL_PWD": settings.password},
            )
            try:
                client = subprocess.run(
                    [*self.client(), "mysql"],
                    stdin=dump.stdout,
                    stdout=subprocess.DEVNULL,
                    stderr=errors_to,
                    env=environment,
                    check=False,
                )
                cast("IO[bytes]", dump.stdout).close()
                failed = client.returncode or dump.wait()
            finally:
                dump.kill()
                dump.wait()
        if failed:
            raise self._failed(
                "Copying the server's time zones failed",
                messages.read_text(errors="replace", encoding="utf-8"),
            )

    def inventory(self, database: str, step: Callable[[str, int, int], None]) -> Inventory:
        """What the restored database holds."""
        with errors("Counting rows in the restored copy"), self.connect() as connection:
            return inventory.take(connection.cursor(), database, step)

    def again(self, database: str, kind: str, name: str, made: Definition) -> Definition | None:
        """What this server makes of a view's or table's definition, run once more; None if it refuses."""
        with errors("Running definitions once more"), self.connect() as connection:
            return again.run(connection, database, kind, name, made)

    def wait_ready(self) -> None:
        """Wait until the server answers. Raises UserError if it ends or takes too long."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.connect() as connection:
                    return engines.load(connection.cursor())
            except pymysql.MySQLError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise self._failed("The throw-away server did not start", "") from None
                time.sleep(0.05)

    def _feed(
        self,
        client: subprocess.Popen[bytes],
        dump: Path,
        progress: Callable[[int], None],
        look: Callable[[bytes], None] | None,
    ) -> None:
        fed = 0
        with feeding(client) as pipe:
            for piece in unpacked(dump):
                if look:
                    look(piece)
                pipe.write(piece)
                fed += len(piece)
                self._work.check()
                progress(fed)

    def _failed(self, what: str, messages: str) -> UserError:
        return _failure(self._work, what, messages.strip() or _complaints(self._home))

    def login(self, database: str) -> DatabaseSettings:
        """How the administrator reaches one of its databases."""
        return DatabaseSettings("localhost", 0, database, "root", "", socket=str(self._socket))

    def client(self) -> list[str]:
        """The words that start `mariadb` as the server's administrator."""
        return ["mariadb", "--no-defaults", f"--socket={self._socket}", "--user=root"]

    def connect(self) -> Connection[Cursor]:
        """A connection as the administrator. Raises the driver's errors."""
        return pymysql.connect(
            unix_socket=str(self._socket),
            user="root",
            ssl_disabled=True,  # or each connection reads the system's authorities, for nothing on a socket
            charset="utf8mb4",
            autocommit=True,
            init_command=SESSION,
        )


@contextmanager
def throwaway(
    work: WorkDir, server: Server, sizes: Mapping[str, str] = mariadbd.SMALL
) -> Generator[Throwaway]:
    """Start a throw-away server that treats definitions as `server` does; stopped and removed at the end."""
    home = work.path / "server"
    home.mkdir(mode=0o700)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        socket = home / "socket"
        if len(os.fsencode(socket)) > _SOCKET_LENGTH:
            socket = Path(stack.enter_context(TemporaryDirectory(prefix="fwb-"))) / "socket"
        options = mariadbd.write_options(home, home / "data", socket, sizes, server.variables)
        if said := mariadbd.install(work, options):
            raise _failure(work, "Preparing the throw-away server failed", _complaints(home) or said)
        process = mariadbd.start(work, options)
        # Its data is thrown away, so no shutdown is waited for.
        stack.callback(process.wait)
        stack.callback(process.kill)
        running = Throwaway(work, home, socket, process)
        running.wait_ready()
        yield running


def _complaints(home: Path) -> str:
    """What the server's log holds that matters: its errors, or else its end."""
    log = home / "server.log"
    text = log.read_text(errors="replace", encoding="utf-8") if log.exists() else ""
    return "\n".join(line for line in text.splitlines() if "[ERROR]" in line) or text[-1500:]


def _failure(work: WorkDir, what: str, text: str) -> UserError:
    # A full disk has many names in the server's messages, and next to no room is none of them.
    if work.room() < _LITTLE or any(sign in text for sign in _FULL):
        return full(work.path, f"{what.lower()}: {text[-300:]}", work.setting)
    return UserError(f"{what}: {text[-2000:]}", _ZONES_HINT if _ZONE_UNKNOWN in text else "")
