"""Connections to MariaDB as applications make them, and tables that are gone afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER
from pymysql.cursors import Cursor

from facts import mariadb
from facts.checks.mariadb import MariadbTarget
from filewallball.backup.names import CHECKS_PREFIX
from filewallball.checks.config import ChecksConfig, read_secret
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites.reach import unreachable
from filewallball.encryption import mariadb_options

PREFIX = CHECKS_PREFIX
CONNECT_SECONDS = 5
REPLY_SECONDS = 30

Row = tuple[Any, ...]


@contextmanager
def connected(
    target: MariadbTarget, *, monitor: bool = False, autocommit: bool = True
) -> Generator[Connection[Cursor]]:
    """A connection of the application's user (or the monitor's), closed at the end whatever happened."""
    connection = pymysql.connect(
        host=target.host,
        port=target.port,
        user=target.monitor_user if monitor else target.app_user,
        password=read_secret(target.monitor_password_file if monitor else target.app_password_file),
        # the monitor has no rights in any schema, so it can't enter one
        database=None if monitor else target.database,
        charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS,
        read_timeout=REPLY_SECONDS,
        write_timeout=REPLY_SECONDS,
        autocommit=autocommit,
        **mariadb_options(target.ca_file),
    )
    try:
        yield connection
    finally:
        if connection.open:
            connection.close()


def query(connection: Connection[Cursor], statement: str, values: Sequence[object] = ()) -> list[Row]:
    """Run a statement and return all its rows."""
    with connection.cursor() as cursor:
        # without values PyMySQL leaves % alone
        cursor.execute(statement, tuple(values) or None)
        return list(cursor.fetchall())


class Tables:
    """Names for tables (and other things in the schema) of one run: `fwb_check_<run>_<what>`."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self._own = PREFIX + self.run

    def name(self, what: str) -> str:
        return f"{self._own}_{what}"

    def claim(self, connection: Connection[Cursor]) -> None:
        """Hold a lock named after the run for as long as the connection lives: others see it is alive."""
        query(connection, "SELECT GET_LOCK(%s, 0)", [self._own])

    def drop(self, connection: Connection[Cursor]) -> None:
        """Drop what this run made."""
        _drop(connection, [(kind, name) for kind, name in _found(connection) if _owner(name) == self._own])

    def sweep(self, connection: Connection[Cursor]) -> None:
        """Drop what killed runs made: those whose lock nobody holds."""
        found = _found(connection)
        free = {
            owner
            for owner in {_owner(name) for _, name in found}
            if query(connection, "SELECT IS_FREE_LOCK(%s)", [owner]) == [(1,)]
        }
        _drop(connection, [(kind, name) for kind, name in found if _owner(name) in free])


def _owner(name: str) -> str:
    return "_".join(name.split("_")[:3])


_FOUND = """
SELECT IF(TABLE_TYPE = 'VIEW', 'VIEW', 'TABLE'), TABLE_NAME FROM information_schema.TABLES
 WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME LIKE %s
UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES
 WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME LIKE %s
UNION ALL SELECT 'EVENT', EVENT_NAME FROM information_schema.EVENTS
 WHERE EVENT_SCHEMA = DATABASE() AND EVENT_NAME LIKE %s
"""


def _found(connection: Connection[Cursor]) -> list[tuple[str, str]]:
    pattern = PREFIX.replace("_", r"\_") + "%"
    return [(str(kind), str(name)) for kind, name in query(connection, _FOUND, [pattern] * 3)]


def _drop(connection: Connection[Cursor], found: Sequence[tuple[str, str]]) -> None:
    query(connection, "SET lock_wait_timeout = 10")
    # Events first: one may run, and use the others.
    for kind, name in sorted(found, key=lambda each: each[0] != "EVENT"):
        query(connection, f"DROP {kind} IF EXISTS `{name}`")


@contextmanager
def tables(config: ChecksConfig) -> Generator[Tables]:
    """Names for tables that are dropped at the end, also on failure, time-out and interrupt."""
    run = Tables()
    with connected(config[MariadbTarget]) as connection:
        run.claim(connection)
        run.sweep(connection)
        try:
            yield run
        finally:
            # the server may have been restarted, or the connection may be in the middle of a reply
            with connected(config[MariadbTarget]) as last:
                run.drop(last)


DENIED = frozenset(
    {
        ER.DBACCESS_DENIED_ERROR,
        ER.ACCESS_DENIED_ERROR,
        ER.TABLEACCESS_DENIED_ERROR,
        ER.COLUMNACCESS_DENIED_ERROR,
        ER.SPECIFIC_ACCESS_DENIED_ERROR,
        ER.PROCACCESS_DENIED_ERROR,
        ER.CANT_CREATE_USER_WITH_GRANT,
    }
)
"""Error numbers by which the server says that a right is missing."""

_LOGIN_DENIED = (
    ER.ACCESS_DENIED_ERROR,
    ER.DBACCESS_DENIED_ERROR,
    1698,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR: also the answer to a user who doesn't exist
)
_UNREACHABLE = (2002, 2003, 2006, 2013, 2055)
_FULL = (ER.DISK_FULL, ER.RECORD_FILE_FULL)


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What an error of the MariaDB client means for the person who runs the stack."""
    if not isinstance(error, pymysql.MySQLError):
        return None
    target, namespace = config[MariadbTarget], config.namespace
    code, text = (*error.args, "")[:2] if error.args else (0, str(error))
    seen = f"{target.address}: {text} ({code})"
    logs = f"`kubectl -n {namespace} logs statefulset/{target.statefulset}`"
    if code in _UNREACHABLE or isinstance(error, pymysql.err.InterfaceError):
        return unreachable(seen, "MariaDB.", namespace, f"statefulset/{target.statefulset}")
    if code in _LOGIN_DENIED:
        return CheckFailed(
            seen,
            f"{target.app_user} may log in and use {target.database}, {target.monitor_user} may log in",
            f"MariaDB follows the Secret {mariadb.CREDENTIALS} within two minutes. If this lasts, "
            f"restart it: `kubectl -n {namespace} rollout restart statefulset/{target.statefulset}`.",
        )
    if code in DENIED:
        return CheckFailed(
            seen,
            f"{target.app_user} may do everything in {target.database}",
            "The server grants these rights when it starts. Run `fwb up`, and then "
            f"`kubectl -n {namespace} rollout restart statefulset/{target.statefulset}`.",
        )
    if code == ER.BINLOG_CREATE_ROUTINE_NEED_SUPER:
        return CheckFailed(
            seen,
            f"{target.app_user} may create functions and triggers",
            "The server runs without log_bin_trust_function_creators, though its my.cnf has it. Restart it: "
            f"`kubectl -n {namespace} delete pod {target.statefulset}-0`.",
        )
    if code in _FULL:
        return CheckFailed(
            seen,
            "room on the volume",
            f"The volume is full. Raise filewallball:mariadb.storage.size, and run `fwb up`, which makes the "
            f"claim {target.claim} larger.",
        )
    return CheckFailed(seen, "no error from MariaDB", f"Look at {logs}.")
