"""How everything in a database is made, as SQL that a plain client can run.

mariadb-dump could write these, but ends at the first view that is broken, and its output fails where a name
or a line of a routine is odd. Here each statement is kept as a string and then run, under the variables of
the session that once made it. So nothing in its text can be taken for words of the client. What can't be
made is told on standard output, and the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.cursors import Cursor

from filewallball.backup import bare, literals, mixed
from filewallball.backup.contents import Contents
from filewallball.backup.database import as_kept, quote, rows

_UTC = "+00:00"
TOLD = "Not made as it was"
"""The heading of what a restore tells."""
_VARIABLES = {
    "sql_mode": "'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_DIR_IN_CREATE,IGNORE_BAD_TABLE_OPTIONS'",
    "time_zone": f"'{_UTC}'",
    # What is in the tables was let in once. Today's rules must not keep it out.
    "foreign_key_checks": "0",
    "unique_checks": "0",
    "check_constraint_checks": "0",
    "innodb_strict_mode": "0",
    "explicit_defaults_for_timestamp": "1",
    "system_versioning_alter_history": "KEEP",
    # At the beginning of time no event is over, and no partition by time is full.
    "timestamp": "1",
}
"""What a restore sets before anything else. It is put back at the end."""
SET = "SET " + ", ".join(f"{name} = {value}" for name, value in _VARIABLES.items())
_MERE_NOTE = 1585
"""ER_NATIVE_FCT_NAME_COLLISION. The server tells it as an error in a package, which it makes all the same."""
_TRY = f"""\
BEGIN NOT ATOMIC
  DECLARE EXIT HANDLER FOR SQLEXCEPTION
  BEGIN
    GET DIAGNOSTICS @fwb_count = NUMBER;
    GET DIAGNOSTICS CONDITION @fwb_count @fwb_why = MESSAGE_TEXT, @fwb_number = MYSQL_ERRNO;
    IF @fwb_what <> '' AND @fwb_number <> {_MERE_NOTE} THEN
      SELECT CONCAT(@fwb_what, ': ', @fwb_why, '. ', @fwb_mend) AS `{TOLD}`;
    END IF;
    IF @fwb_else IS NOT NULL THEN
      EXECUTE IMMEDIATE @fwb_else;
    END IF;
  END;
  SET sql_mode = @fwb_mode, time_zone = @fwb_zone;
  EXECUTE IMMEDIATE @fwb_sql;
END"""
_FOREIGN_KEY = re.compile(rb",\n  (CONSTRAINT `(?P<name>(?:[^`]|``)+)` FOREIGN KEY [^\n]*?)(?=,?\n)")
_KEYS_NEEDED = re.compile(rb" `?(ENCRYPTED|ENCRYPTION_KEY_ID)`?=('?)\w+\2")
"""Options with which a table needs keys that only its own server has."""
_DEFINED = (
    "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s ORDER BY 1"
)
_ROUTINES = (
    "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s"
    " ORDER BY ROUTINE_TYPE, ROUTINE_NAME"
)
_TRIGGERS = (
    "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s"
    " ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER"
)
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1"


def head(database: str) -> bytes:
    """What comes first: the variables of the session."""
    kept = ", ".join(f"@fwb_{name} = @@{name}" for name in _VARIABLES if name != "timestamp")
    return (
        (
            f"-- A backup of the database {quote(database)}.\n"
            f"-- What can't be made as it was is told under the heading '{TOLD}'.\n"
            f"SET NAMES utf8mb4;\nSET {kept};\n{SET};\n"
        ).encode()
        + b"SET @fwb_try = "
        + literals.statement(_TRY.encode())
        + b";\n"
    )


def tail() -> bytes:
    """What comes last, but for the line that says that the dump is whole."""
    values = ", ".join(
        f"{name} = {'DEFAULT' if name == 'timestamp' else f'@fwb_{name}'}" for name in _VARIABLES
    )
    return f"SET {values};\n".encode()


def tables(cursor: Cursor, contents: Contents) -> Iterator[bytes]:
    """Sequences first, which tables may take their numbers from; foreign keys when all tables are there."""
    for name in contents.sequences:
        yield from _sequence(cursor, name)
    keys: list[bytes] = []
    for name in contents.tables:
        with as_kept(cursor):
            [(_, text)] = rows(cursor, f"SHOW CREATE TABLE {quote(name)}")
        keys += [_foreign_key(name, key, sql) for key, sql in foreign_keys(name, text)]
        yield _table(cursor, name, without_foreign_keys(text), contents)
    yield from keys


def foreign_keys(table: str, text: bytes) -> list[tuple[str, bytes]]:
    """The names of the foreign keys in the text of SHOW CREATE TABLE, and statements that add them."""
    head = b"ALTER TABLE " + literals.name(table) + b" ADD "
    return [(found["name"].decode(), head + found[1]) for found in _FOREIGN_KEY.finditer(text)]


def without_foreign_keys(text: bytes) -> bytes:
    """The text of SHOW CREATE TABLE without them."""
    return _FOREIGN_KEY.sub(b"", text)


def _foreign_key(table: str, key: str, sql: bytes) -> bytes:
    mend = f"Run `ALTER TABLE {quote(table)} DROP FOREIGN KEY `{key}`;`, or give both sides the same type."
    return _attempt(f"table {table}", sql, mend)


def _table(cursor: Cursor, name: str, text: bytes, contents: Contents) -> bytes:
    if name in contents.outside:
        return _attempt("", text, "", mode="NO_ENGINE_SUBSTITUTION")
    if name in contents.without_rows:
        return _attempt(f"table {name}", text, f"Run `DROP TABLE {quote(name)};`, or make what it needs.")
    if _KEYS_NEEDED.search(text):
        mend = (
            f"It is here without encryption. Run `ALTER TABLE {quote(name)} ENCRYPTED=NO;`, or give the keys."
        )
        return _attempt(f"table {name}", text, mend, otherwise=_KEYS_NEEDED.sub(b"", text))
    mend = (
        f"Only its columns and its rows are here. Run `SHOW CREATE TABLE {quote(name)};`, and change by ALTER"
        " TABLE what no server takes back."
    )
    return _attempt(f"table {name}", text, mend, otherwise=bare.definition(cursor, name, contents))


def _sequence(cursor: Cursor, name: str) -> Iterator[bytes]:
    [row] = rows(cursor, f"SHOW CREATE SEQUENCE {quote(name)}")
    yield str(row[1]).encode() + b";\n"
    [values] = rows(cursor, f"SELECT * FROM {quote(name)}")  # noqa: S608 - quoted
    numbers = ", ".join(str(int(value)) for value in values)
    yield b"INSERT INTO " + literals.name(name) + f" VALUES ({numbers});\n".encode()


@dataclass(frozen=True)
class _Made:
    """A statement, the variables of the session that made it, and the collation of the `database` then."""

    text: bytes
    session: Mapping[str, str]
    database: str


def programs(cursor: Cursor, database: str) -> Iterator[bytes]:
    """Routines, views, triggers and events. `cursor` gives values as bytes."""
    # Each text in the character set in which it was sent, as the server keeps it.
    cursor.execute("SET character_set_results = binary")
    [(collation, comment)] = _texts(
        cursor,
        "SELECT DEFAULT_COLLATION_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA"
        " WHERE SCHEMA_NAME = %s",
        database,
    )
    for name, kind in _texts(cursor, _ROUTINES, database):
        yield _program(kind, name, _made(cursor, kind, name), collation)
    views = {row[0]: row[1] for row in _texts(cursor, _DEFINED, database)}
    for name in in_order(views):
        yield _program("VIEW", name, _made(cursor, "VIEW", name), collation)
    for kind, listed in (("TRIGGER", _TRIGGERS), ("EVENT", _EVENTS)):
        for (name,) in _texts(cursor, listed, database):
            yield _program(kind, name, _made(cursor, kind, name), collation)
    if comment:
        yield b"ALTER DATABASE COMMENT " + literals.text(comment.encode()) + b";\n"


def in_order(views: Mapping[str, str]) -> list[str]:
    """The names of views, each after those that its text names."""
    done: dict[str, None] = {}

    def place(name: str, above: Sequence[str]) -> None:
        for other in views:
            if other not in done and other not in above and quote(other) in views[name]:
                place(other, [*above, other])
        done[name] = None

    for name in views:
        if name not in done:
            place(name, [name])
    return list(done)


def _texts(cursor: Cursor, sql: str, *values: Any) -> list[tuple[str, ...]]:
    return [tuple((value or b"").decode() for value in row) for row in rows(cursor, sql, *values)]


def _made(cursor: Cursor, kind: str, name: str) -> _Made:
    cursor.execute(f"SHOW CREATE {kind} {quote(name)}")
    row: tuple[Any, ...] = cursor.fetchone() or ()
    told = dict(zip([str(column[0]) for column in cursor.description or ()], row, strict=True))
    text = next(value for key, value in told.items() if key.startswith(("Create ", "SQL Original")))
    session = {
        variable: told[variable].decode()
        for variable in ("sql_mode", "time_zone", "character_set_client", "collation_connection")
        if variable in told
    }
    text = mixed.in_one(cursor, kind, name, text, session)
    return _Made(text, session, told.get("Database Collation", b"").decode())


def _program(kind: str, name: str, made: _Made, collation: str) -> bytes:
    known = made.session
    sql = _attempt(
        f"{kind.lower()} {name}",
        made.text,
        f"Run `DROP {kind} {quote(name)};`, or make what it needs.",
        mode=known.get("sql_mode", ""),
        zone=known.get("time_zone", _UTC),
        # Not before the text is a string: client and server must find its end in the same way.
        session=f"SET character_set_client = {known['character_set_client']},"
        f" collation_connection = {known['collation_connection']};\n",
    )
    # With the mode of some programs, client and server would read the next string in another way.
    sql += f"SET NAMES utf8mb4, time_zone = '{_UTC}', sql_mode = {_VARIABLES['sql_mode']};\n".encode()
    if made.database not in ("", collation):
        # What a variable of a routine is, this decides. Without a name it is the database in use.
        sql = f"ALTER DATABASE COLLATE {made.database};\n".encode() + sql
        sql += f"ALTER DATABASE COLLATE {collation};\n".encode()
    return sql


def _attempt(
    what: str,
    sql: bytes,
    mend: str,
    otherwise: bytes | None = None,
    *,
    mode: str | None = None,
    zone: str = _UTC,
    session: str = "",
) -> bytes:
    """SQL that runs `sql`; if that fails it tells `what`, why and how to `mend` it, and runs `otherwise`."""
    values = {
        "sql": literals.statement(sql),
        "else": b"NULL" if otherwise is None else literals.statement(otherwise),
        "what": literals.text(what.encode()),
        "mend": literals.text(mend.encode()),
        "mode": b"@@sql_mode" if mode is None else literals.text(mode.encode()),
        "zone": literals.text(zone.encode()),
    }
    wanted = b", ".join(b"@fwb_" + name.encode() + b" = " + value for name, value in values.items())
    return b"SET " + wanted + b";\n" + session.encode() + b"EXECUTE IMMEDIATE @fwb_try;\n"
