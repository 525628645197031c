"""A throw-away server on the copy of the data: the backup is loaded and proven there, under its own name."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pymysql.cursors import Cursor

from filewallball.backup import mariadbd
from filewallball.backup.database import quote, rows
from filewallball.backup.restore import Throwaway
from filewallball.backup.workdir import WorkDir
from filewallball.errors import UserError

HOME = "s"
"""The server's folder in the work directory. Short: the path of a socket has 107 bytes at most."""
_STOP_SECONDS = 600.0
MIRRORED = (
    "character_set_server",
    "collation_server",
    "explicit_defaults_for_timestamp",
    "innodb_data_file_path",
    "innodb_page_size",
    "innodb_strict_mode",
    "innodb_undo_tablespaces",
    "lower_case_table_names",
)
"""Variables that say how the data lies on the disk, or that change what a dump makes."""
_ADMINISTRATOR = """\
CREATE USER IF NOT EXISTS root@localhost;
ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING '';
GRANT ALL PRIVILEGES ON *.* TO root@localhost WITH GRANT OPTION;
"""
"""Nobody else reaches the socket. The real server's users.sql gives root the socket's login back."""
_DEFINER = re.compile(rb"DEFINER=`((?:[^`]|``){1,128})`@`((?:[^`]|``){1,255})`")
_OVERLAP = 512
"""Bytes at the end of a piece that are looked at again with the next."""

Owner = tuple[str, str]


@contextmanager
def on_copy(work: WorkDir, data: Path, variables: Mapping[str, str]) -> Generator[Throwaway]:
    """Run a server on `data`. It is stopped in order at the end of the block, or killed by an error.

    Raises UserError.
    """
    home = work.path / HOME
    home.mkdir(mode=0o700)
    (home / "init.sql").write_text(_ADMINISTRATOR, encoding="utf-8")
    sizes = (mariadbd.LARGE, {"init-file": f"{home}/init.sql"}, variables)
    process = mariadbd.start(work, mariadbd.write_options(home, data, home / "socket", *sizes))
    try:
        running = Throwaway(work, home, home / "socket", process)
        running.wait_ready()
        yield running
        process.terminate()
        if process.wait(_STOP_SECONDS) != 0:
            raise UserError(
                f"The throw-away server did not end in order (exit code {process.returncode}).",
                "Run the restore again.",
            )
    except subprocess.TimeoutExpired as error:
        raise UserError(
            f"The throw-away server did not end within {_STOP_SECONDS:.0f} s.", "Run the restore again."
        ) from error
    finally:
        process.kill()
        process.wait()


def empty(cursor: Cursor, copy: Path, database: str) -> None:
    """Make the server forget a database of which the copy has no files."""
    (copy / database).mkdir(exist_ok=True)
    cursor.execute("SET SESSION foreign_key_checks = 0")  # tables of other databases may refer to it
    cursor.execute(f"DROP DATABASE {quote(database)}")


class Lender:
    """Lends a server the users by whom views, triggers, routines or events of a dump are defined.

    Nobody can log in as one of them; but without them some views can't be made.
    """

    def __init__(self, cursor: Cursor, database: str) -> None:
        self._cursor, self._database = cursor, database
        self._seen = {
            (str(user), str(host)) for user, host in rows(cursor, "SELECT User, Host FROM mysql.global_priv")
        }
        self._lent: list[Owner] = []
        self._rest = b""

    def look(self, piece: bytes) -> None:
        """Look through the dump's next bytes, before the server gets them."""
        text = self._rest + piece
        if b"DEFINER=`" in text:
            for user, host in _DEFINER.findall(text):
                owner = (user.decode(errors="replace").replace("``", "`"), host.decode(errors="replace"))
                if owner not in self._seen:
                    self._lend(owner)
        self._rest = text[-_OVERLAP:]

    def _lend(self, owner: Owner) -> None:
        self._seen.add(owner)
        self._lent.append(owner)
        self._cursor.execute("CREATE USER %s@%s ACCOUNT LOCK", owner)
        self._cursor.execute(f"GRANT ALL PRIVILEGES ON {quote(self._database)}.* TO %s@%s", owner)

    def take_back(self) -> list[str]:
        """Remove them; what people need to know, a line for each."""
        for owner in self._lent:
            self._cursor.execute("DROP USER %s@%s", owner)
        return [
            f"something in it is defined by '{user}'@'{host}', whom this server doesn't know: it will not run"
            f" before you CREATE USER '{user}'@'{host}' and grant it what it needs"
            for user, host in sorted(self._lent)
        ]
