"""Connections to the server that is backed up, and what has to be true of it before a backup starts."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from facts import mariadb
from filewallball.backup.lease import own_namespace
from filewallball.backup.settings import DatabaseSettings
from filewallball.encryption import mariadb_options
from filewallball.errors import UserError

_ALL = 2**64 - 1
SESSION = (
    "SET SESSION sql_mode='', time_zone='+00:00', sql_quote_show_create=1, max_statement_time=0,"
    f" sql_select_limit={_ALL}, sql_big_selects=1"
)
"""Definitions are compared as text, so the session must not change how the server writes them."""
_NEEDED = {"*.*": {"RELOAD"}, "database": {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}}
_LOCKING = {"LOCK TABLES"}
_CUTTING: dict[str, int | str] = {
    "sql_select_limit": _ALL,
    "max_join_size": _ALL,
    "system_versioning_asof": "DEFAULT",
}
"""Variables that cut what a SELECT gives, unless they have these values. mariadb-dump leaves them alone."""
_WITHOUT_SNAPSHOT = (
    "SELECT 1 FROM information_schema.TABLES JOIN information_schema.ENGINES USING (ENGINE)"
    " WHERE TABLE_SCHEMA = %s AND COALESCE(TRANSACTIONS, 'NO') <> 'YES' LIMIT 1"
)
_AT_START = (
    f" The server makes its database and users, with the passwords of the Secret {mariadb.CREDENTIALS}, when"
    f" it starts. Restart it: `kubectl -n {{namespace}} delete pod {mariadb.NAME}-0`."
)
_SIZE = (
    "SELECT COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
)
_HINTS = {
    1045: "The password is wrong, or the user does not exist." + _AT_START,
    1049: "The database does not exist." + _AT_START,
    1044: "The database does not exist, or the backup's user has no right to it." + _AT_START,
    1142: "The backup's user lacks a right here." + _AT_START,
    2003: "The server does not answer. Look at `kubectl -n {namespace} get pods,networkpolicies`: it must "
    "run, and let this pod in.",
    2013: "The server closed the connection. Look for a restart, for out of memory and for wait_timeout in "
    f"`kubectl -n {{namespace}} logs {mariadb.NAME}-0`.",
    1205: "Something holds a lock for a long time, such as a schema change or another backup. Run the backup "
    "again when that has ended.",
    1412: "The schema was changed during the backup. Run the backup again.",
}
_OTHER = f"Look at `kubectl -n {{namespace}} logs {mariadb.NAME}-0`, and run the backup again."


@dataclass(frozen=True)
class Server:
    """What preflight learnt: `data_bytes` estimates tables and indexes, `variables` shape the restore."""

    version: str
    charset: str
    collation: str
    data_bytes: int
    variables: dict[str, str]

    @property
    def series(self) -> str:
        """The release series, such as 10.11."""
        return series(self.version)


_MIRRORED = (
    "character_set_server",
    "collation_server",
    "explicit_defaults_for_timestamp",
    "innodb_page_size",
    "innodb_strict_mode",
    "lower_case_table_names",
)
"""Variables that change how a dump is restored, or how a definition is written."""


def series(version: str) -> str:
    """The release series of a version text: `10.11` of `10.11.19-MariaDB-log`."""
    match = re.search(r"(\d+\.\d+)\.\d+", version)
    return match[1] if match else version


def quote(name: str) -> str:
    """An identifier for SQL."""
    return "`" + name.replace("`", "``") + "`"


@contextmanager
def errors(doing: str) -> Generator[None]:
    """Turn the driver's errors into a UserError that says what was being done."""
    try:
        yield
    except pymysql.MySQLError as error:
        code = error.args[0] if error.args else 0
        text = error.args[1] if len(error.args) > 1 else str(error)
        hint = _HINTS.get(code, _OTHER).format(namespace=own_namespace())
        raise UserError(f"{doing} failed: {text} ({code})", hint) from error


@contextmanager
def connect(settings: DatabaseSettings, doing: str) -> Generator[Connection[Cursor]]:
    """A connection to the server that is backed up, closed at the end. Raises UserError."""
    with errors(doing):
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.encode(),
            database=settings.name,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=10,
            init_command=SESSION,
            unix_socket=settings.socket,
            **mariadb_options(settings.ca_file),
        )
    try:
        with errors(doing):
            yield connection
    finally:
        # Not close(): that says goodbye first, and may wait for a server that is gone or busy.
        connection._force_close()  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType]


def rows(cursor: Cursor, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    cursor.execute(sql, values or None)
    return list(cursor.fetchall())


@contextmanager
def as_kept(cursor: Cursor) -> Generator[None]:
    """Inside the block values are bytes as the server keeps them: a definition may hold any bytes."""
    connection: Any = cursor.connection
    before = connection.use_unicode
    cursor.execute("SET character_set_results = binary")
    connection.use_unicode = False
    try:
        yield
    finally:
        connection.use_unicode = before
        cursor.execute("SET character_set_results = utf8mb4")


def preflight(settings: DatabaseSettings) -> Server:
    """What a backup needs to know of the server. Raises UserError if it could not be complete or proven."""
    with connect(settings, f"Connecting to {settings.host}:{settings.port}") as connection:
        cursor = connection.cursor()
        _check_rights(cursor, settings.name)
        _check_answers(cursor)
        ((version, binary_log),) = rows(cursor, "SELECT VERSION(), @@log_bin")
        if not binary_log:
            raise UserError(
                "The server writes no binary log, so that a snapshot cannot be proven consistent.",
                "Run `fwb up`, which writes my.cnf with log-bin, and then `kubectl -n "
                f"{own_namespace()} delete pod {mariadb.NAME}-0`.",
            )
        ((charset, collation),) = rows(
            cursor,
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA"
            " WHERE SCHEMA_NAME = %s",
            settings.name,
        )
        size = _size(cursor, settings.name)
        variables = {
            str(name).lower(): str(value)
            for name, value in rows(cursor, "SHOW GLOBAL VARIABLES")
            if str(name).lower() in _MIRRORED
        }
    return Server(version, charset, collation, size, variables)


def _size(cursor: Cursor, database: str) -> int:
    names = rows(cursor, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", database)
    size = 0
    for (name,) in names:
        # In one query for all, a table whose rows another server has would stop it when that is down.
        with suppress(pymysql.MySQLError):
            size += int(rows(cursor, _SIZE, database, name)[0][0])
    return size


def _check_answers(cursor: Cursor) -> None:
    for name, whole in _CUTTING.items():
        ((value,),) = rows(cursor, f"SELECT @@GLOBAL.{name}")
        if value != whole:
            raise UserError(
                f"The server's variable {name} is {value}, so that its answers lack rows: no backup would be"
                " complete.",
                f"Run `SET GLOBAL {name} = DEFAULT;` as an administrator, and take it out of my.cnf.",
            )


def _check_rights(cursor: Cursor, database: str) -> None:
    # What a user may not see is left out of a dump without a word, so a missing right must stop the backup.
    locks = bool(rows(cursor, _WITHOUT_SNAPSHOT, database))
    missing = missing_rights((str(row[0]) for row in rows(cursor, "SHOW GRANTS")), database, locks=locks)
    try:
        rows(cursor, "SELECT 1 FROM mysql.proc LIMIT 1")
    except pymysql.MySQLError:
        missing.append("SELECT ON mysql.proc")
    if missing:
        user = rows(cursor, "SELECT CURRENT_USER()")[0][0]
        raise UserError(
            f"The user {user} lacks {', '.join(missing)}: the backup would be incomplete.",
            "The server grants these when it starts. Restart it: "
            f"`kubectl -n {own_namespace()} delete pod {mariadb.NAME}-0`. For a user of your own, run as an "
            f"administrator: {' '.join(f'GRANT {right} TO {user};' for right in missing)}",
        )


def missing_rights(grants: Iterable[str], database: str, *, locks: bool = False) -> list[str]:
    """What the lines of SHOW GRANTS lack for a backup of `database`, as `RIGHT ON WHERE`.

    `locks`: it has tables that are in no snapshot.
    """
    needed = _NEEDED["database"] | (_LOCKING if locks else set[str]())
    everywhere: set[str] = set()
    here: set[str] = set()
    for line in grants:
        match = re.match(r"GRANT (.+?) ON (\S+) TO ", line)
        if match is None:
            continue
        rights = {right.strip() for right in match[1].split(",")}
        if match[2] == "*.*":
            everywhere |= rights
        elif match[2].endswith(".*") and _matches(match[2][:-2].strip("`"), database):
            here |= rights
    if "ALL PRIVILEGES" in everywhere:
        return []
    missing = [f"{right} ON *.*" for right in sorted(_NEEDED["*.*"] - everywhere)]
    if "ALL PRIVILEGES" not in here:
        missing += [f"{right} ON {quote(database)}.*" for right in sorted(needed - everywhere - here)]
    return missing


def _matches(pattern: str, database: str) -> bool:
    """Whether the database part of a grant, with its wildcards % and _, means `database`."""
    parts: list[str] = re.findall(r"\\.|.", pattern)
    wildcards = {"%": ".*", "_": "."}
    return (
        re.fullmatch("".join(wildcards.get(part, re.escape(part[-1])) for part in parts), database)
        is not None
    )
