"""What a database holds, as one session sees it: rows, checksums, and how everything in it is made."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any

import pymysql
from pymysql.cursors import Cursor

from filewallball.backup import broken, sums
from filewallball.backup.broken import BrokenTables
from filewallball.backup.contents import OUTSIDE
from filewallball.backup.database import as_kept, quote, rows
from filewallball.backup.manifest import Table
from filewallball.errors import UserError

_NO_SUCH_EVENT = 1539
"""MariaDB's error number ER_EVENT_DOES_NOT_EXIST."""
_LISTS = {
    "trigger": "SELECT TRIGGER_NAME, 'TRIGGER' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
    "routine": "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
}
_COMMENT = (
    "SELECT SCHEMA_COMMENT FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s AND SCHEMA_COMMENT <> ''"
)
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1"
_ORDERS = (
    "SELECT TRIGGER_NAME, ACTION_ORDER FROM information_schema.TRIGGERS"
    " WHERE TRIGGER_SCHEMA = %s AND TRIGGER_NAME = %s"
)
_AUTO_INCREMENT = re.compile(r"(?m)^(\) ENGINE=.*?) AUTO_INCREMENT=\d+")
_BARE_OWNER = re.compile(r"^CREATE DEFINER=([^`\"@\s]+)@([^`\"\s]+) ")
"""How a trigger names its owner if it was made with sql_quote_show_create=0."""
_SESSION = ("sql_mode", "time_zone", "character_set_client", "collation_connection", "Database Collation")
"""What the server keeps of the session that made something: the text means nothing without it."""


@dataclass(frozen=True)
class Definition:
    """How one thing is made: the statement of SHOW CREATE, and what else decides what it means.

    `text` has the server's own bytes: within it literals may be in any character set, and what is no UTF-8
    stands there by `surrogateescape`. `session`: variables of the session that made it. `columns`: those of a
    view, with type and collation; None if the server can't say.
    """

    text: str
    session: tuple[tuple[str, str], ...] = ()
    columns: tuple[tuple[str, ...], ...] | None = None

    @property
    def sha256(self) -> str:
        """Of statement and session. A view's columns follow from these and from its tables."""
        parts = [self.text, *(f"{name}={value}" for name, value in self.session)]
        return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True)
class Inventory:
    """Tables by name; `objects` (views, triggers, …): kind to name to the definition's hash.

    `made`: the definitions themselves, by `label`. They are no part of a manifest. `unreadable`: tables that
    the server can't read, and why.
    """

    tables: dict[str, Table]
    objects: dict[str, dict[str, str]]
    made: dict[str, Definition] = field(default_factory=dict[str, Definition], compare=False)
    unreadable: dict[str, str] = field(default_factory=dict[str, str], compare=False)

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    def without_events(self, names: Collection[str]) -> Inventory:
        """The same, but for the events of these names."""
        events = {name: text for name, text in self.objects.get("event", {}).items() if name not in names}
        others = {kind: found for kind, found in self.objects.items() if kind != "event"}
        return replace(self, objects=others | ({"event": events} if events else {}))


def label(kind: str, name: str) -> str:
    """What something is called in messages: `view sales`, `function tax`."""
    return name if kind == "routine" else f"{kind} {name}"


def take(
    cursor: Cursor,
    database: str,
    step: Callable[[str, int, int], None],
    first: Collection[str] = (),
    without: Collection[str] = (),
) -> Inventory:
    """Read everything in `database`; `step` hears (table, number, of) before each table.

    The tables `first` are read before others, and not at all those in `without` and those whose rows lie
    elsewhere.

    Inside a snapshot rows and checksums are the snapshot's: CHECKSUM TABLE, too, reads through the
    transaction's view. Raises the driver's errors.
    """
    # Definitions name the database in front of everything that lies outside of the current one.
    cursor.execute(f"USE {quote(database)}")
    listed = rows(
        cursor,
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " ORDER BY 1",
        database,
    )
    names = [
        str(name)
        for name, kind, engine in listed
        if kind in ("BASE TABLE", "SYSTEM VERSIONED") and name not in without and engine not in OUTSIDE
    ]
    names.sort(key=lambda name: name not in first)
    tables: dict[str, Table] = {}
    made: dict[str, Definition] = {}
    unreadable: dict[str, str] = {}
    objects: dict[str, dict[str, str]] = {}

    def add(kind: str, name: str, found: Definition) -> None:
        objects.setdefault(kind, {})[name] = found.sha256
        made[label(kind, name)] = found

    for number, name in enumerate(names, 1):
        step(name, number, len(names))
        try:
            with broken.telling(name):
                found = definition(cursor, database, "TABLE", name)
            count, checksum = sums.of(cursor, database, name, found.text)
        except BrokenTables as error:
            unreadable |= error.why
            continue
        made[label("table", name)] = found
        tables[name] = Table(count, checksum, found.sha256)
    for name, kind, _ in listed:
        # A sequence's value is outside of every transaction, so only its definition is compared.
        if kind in ("VIEW", "SEQUENCE"):
            add(kind.lower(), str(name), definition(cursor, database, kind, str(name)))
    for kind, sql in _LISTS.items():
        for name, sort in sorted(rows(cursor, sql, database)):
            named = f"{sort.lower()} {name}" if kind == "routine" else str(name)
            add(kind, named, definition(cursor, database, sort, str(name)))
    for name, found in events(cursor, database).items():
        add("event", name, found)
    for (comment,) in rows(cursor, _COMMENT, database):
        add("database", "comment", Definition(str(comment)))
    return Inventory(tables, objects, made, unreadable)


def events(cursor: Cursor, database: str) -> dict[str, Definition]:
    """The events by name. They belong to no snapshot: this is now."""
    found: dict[str, Definition] = {}
    for (name,) in rows(cursor, _EVENTS, database):
        try:
            found[str(name)] = definition(cursor, database, "EVENT", str(name))
        except pymysql.MySQLError as error:
            # It ran for the last time just now, and the server dropped it.
            if error.args[0] != _NO_SUCH_EVENT:
                raise
    return found


def definition(cursor: Cursor, database: str, kind: str, name: str) -> Definition:
    """How it is made; `kind` is SQL's word after SHOW CREATE. Raises UserError if it may not be read."""
    told = _told(cursor, f"SHOW CREATE {kind} {quote(database)}.{quote(name)}")
    # Each kind calls its text differently.
    text = next(
        (value for column, value in told.items() if column.startswith(("Create ", "SQL Original"))), None
    )
    if text is None:
        raise UserError(
            f"The definition of {kind.lower()} {name} is not readable for the backup's user.",
            "Grant that user SELECT ON mysql.proc, SHOW VIEW, TRIGGER and EVENT.",
        )
    session = [(column, told[column] or "") for column in _SESSION if column in told]
    if kind == "TRIGGER":
        text = _BARE_OWNER.sub(r"CREATE DEFINER=`\1`@`\2` ", text)
        session += [("order", str(order)) for _, order in rows(cursor, _ORDERS, database, name)]
    if kind == "VIEW":
        # A server that doesn't know the view's owner names the schema of each column.
        text = text.replace(f"{quote(database)}.", "")
        return Definition(text, tuple(session), _columns(cursor, database, name))
    # The next number to give out moves on outside of transactions.
    return Definition(_AUTO_INCREMENT.sub(r"\1", text), tuple(session))


def _told(cursor: Cursor, sql: str) -> dict[str, Any]:
    """The one row of the answer, by column, in the bytes that the server holds, as a dump has them."""
    with as_kept(cursor):
        cursor.execute(sql)
        row: tuple[Any, ...] = cursor.fetchone() or ()
        columns = [str(column[0]) for column in cursor.description or ()]
    values = [
        value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value for value in row
    ]
    return dict(zip(columns, values, strict=True))


def _columns(cursor: Cursor, database: str, view: str) -> tuple[tuple[str, ...], ...] | None:
    try:
        found = rows(cursor, f"SHOW FULL COLUMNS FROM {quote(database)}.{quote(view)}")
    except pymysql.MySQLError:  # what it shows is gone, or its owner
        return None
    # Field, Type, Collation, Null
    return tuple(tuple(str(value) for value in row[:4]) for row in found)
