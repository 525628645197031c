"""A throw-away server on the copy of the data: the backup is loaded and proven there, under its own name."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pymysql
from pymysql.cursors import Cursor

from filewallball.backup.database import quote, rows
from filewallball.backup.packed import unpacked
from filewallball.backup.program import client_environment
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
_OPTIONS = """\
[mariadbd]
datadir={data}
socket={home}/socket
pid-file={home}/pid
log-error={home}/server.log
tmpdir={home}
secure-file-priv={home}
init-file={home}/init.sql
skip-networking
skip-log-bin
skip-slave-start
performance-schema=OFF
event-scheduler=OFF
max-connections=5
max-allowed-packet=1G
table-open-cache=64
key-buffer-size=8M
innodb-buffer-pool-size=192M
innodb-buffer-pool-dump-at-shutdown=OFF
innodb-flush-log-at-trx-commit=0
innodb-doublewrite=OFF
innodb-flush-method=nosync
innodb-use-native-aio=OFF
"""
"""Fast rather than safe against a crash: if it ends too early, the copy is thrown away."""
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
    mirrored = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
    options = home / "my.cnf"
    options.write_text(_OPTIONS.format(home=home, data=data) + mirrored, encoding="utf-8")
    identity = ["--user=root"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        ["mariadbd", f"--defaults-file={options}", *identity],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=client_environment(work),
    )
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


def connect(home: Path) -> pymysql.Connection[Cursor]:
    """A connection to the server on a copy, as its administrator; `home` is the folder of its socket."""
    return pymysql.connect(
        unix_socket=str(home / "socket"), user="root", ssl_disabled=True, charset="utf8mb4", autocommit=True
    )


def empty(cursor: Cursor, copy: Path, database: str) -> None:
    """Make the server forget a database of which the copy has no files."""
    (copy / database).mkdir(exist_ok=True)
    cursor.execute("SET SESSION foreign_key_checks = 0")  # tables of other databases may refer to it
    cursor.execute(f"DROP DATABASE {quote(database)}")


def owners_in(dump: Path) -> set[Owner]:
    """The users by whom views, triggers, routines or events are defined in a dump."""
    found: set[Owner] = set()
    rest = b""
    for piece in unpacked(dump):
        text = rest + piece
        if b"DEFINER=`" in text:
            for user, host in _DEFINER.findall(text):
                found.add((user.decode(errors="replace").replace("``", "`"), host.decode(errors="replace")))
        rest = text[-_OVERLAP:]
    return found


def missing(cursor: Cursor, owners: set[Owner]) -> list[Owner]:
    """Those that are no users of the server."""
    known = {
        (str(user), str(host)) for user, host in rows(cursor, "SELECT User, Host FROM mysql.global_priv")
    }
    return sorted(owners - known)


def lend(cursor: Cursor, owners: list[Owner], database: str) -> None:
    """Make users of these names for a while, with which nobody can log in: else their views can't be made."""
    for owner in owners:
        cursor.execute("CREATE USER %s@%s ACCOUNT LOCK", owner)
        cursor.execute(f"GRANT ALL PRIVILEGES ON {quote(database)}.* TO %s@%s", owner)


def take_back(cursor: Cursor, owners: list[Owner]) -> None:
    """Remove what `lend` has made."""
    for owner in owners:
        cursor.execute("DROP USER %s@%s", owner)
