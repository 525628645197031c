"""What a database holds, as one session sees it: rows, checksums, definitions; and how two of them differ."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import pymysql
from pymysql.cursors import Cursor

from filewallball.backup.database import quote, rows
from filewallball.backup.manifest import Table
from filewallball.errors import UserError

_T = TypeVar("_T")
_NO_SUCH_EVENT = 1539
"""MariaDB's error number ER_EVENT_DOES_NOT_EXIST."""
_LISTS = {
    "trigger": "SELECT TRIGGER_NAME, 'TRIGGER' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
    "routine": "SELECT ROUTINE_NAME, ROUTINE_TYPE FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
}
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY 1"
_AUTO_INCREMENT = re.compile(r"(?m)^(\) ENGINE=.*?) AUTO_INCREMENT=\d+")


@dataclass(frozen=True)
class Inventory:
    """Tables by name; `objects` (views, triggers, …): kind to name to the definition's hash."""

    tables: dict[str, Table]
    objects: dict[str, dict[str, str]]

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(table.rows for table in self.tables.values())

    def without_events(self, names: Collection[str]) -> Inventory:
        """The same, but for the events of these names."""
        events = {name: text for name, text in self.objects.get("event", {}).items() if name not in names}
        others = {kind: found for kind, found in self.objects.items() if kind != "event"}
        return Inventory(self.tables, others | ({"event": events} if events else {}))


def take(cursor: Cursor, database: str, step: Callable[[str, int, int], None]) -> Inventory:
    """Read everything in `database`; `step` hears (table, number, of) before each table.

    Inside a snapshot rows and checksums are the snapshot's: CHECKSUM TABLE, too, reads through the
    transaction's view. Raises UserError if the server cannot checksum a table, and the driver's errors.
    """
    # Definitions name the database in front of everything that lies outside of the current one.
    cursor.execute(f"USE {quote(database)}")
    listed = rows(
        cursor,
        "SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY 1",
        database,
    )
    names = [str(name) for name, kind in listed if kind in ("BASE TABLE", "SYSTEM VERSIONED")]
    tables: dict[str, Table] = {}
    for number, name in enumerate(names, 1):
        step(name, number, len(names))
        tables[name] = _table(cursor, database, name)
    objects: dict[str, dict[str, str]] = {}
    for name, kind in listed:
        # A sequence's value is outside of every transaction, so only its definition is compared.
        if kind in ("VIEW", "SEQUENCE"):
            objects.setdefault(kind.lower(), {})[str(name)] = _definition(cursor, database, kind, str(name))
    for kind, sql in _LISTS.items():
        for name, sort in sorted(rows(cursor, sql, database)):
            label = f"{sort.lower()} {name}" if kind == "routine" else str(name)
            objects.setdefault(kind, {})[label] = _definition(cursor, database, sort, str(name))
    if found := events(cursor, database):
        objects["event"] = found
    return Inventory(tables, objects)


def events(cursor: Cursor, database: str) -> dict[str, str]:
    """The events by name, each with its definition's hash. They belong to no snapshot: this is now."""
    found: dict[str, str] = {}
    for (name,) in rows(cursor, _EVENTS, database):
        try:
            found[str(name)] = _definition(cursor, database, "EVENT", str(name))
        except pymysql.MySQLError as error:
            # It ran for the last time just now, and the server dropped it.
            if error.args[0] != _NO_SUCH_EVENT:
                raise
    return found


def differences(expected: Inventory, found: Inventory) -> list[str]:
    """One line for each thing that is not the same, in words; empty if both are equal."""
    lines: list[str] = []
    for name, (want, have) in _pairs(expected.tables, found.tables):
        if want is None or have is None:
            lines.append(f"table {name} is {'new' if want is None else 'missing'} in the restored copy")
            continue
        if want.rows != have.rows:
            lines.append(f"table {name}: {have.rows} rows restored, {want.rows} in the snapshot")
        elif want.checksum != have.checksum:
            lines.append(f"table {name}: the checksum of its {want.rows} rows differs")
        if want.definition != have.definition:
            lines.append(f"table {name}: its definition differs")
    for kind, (want, have) in _pairs(expected.objects, found.objects):
        for name, (old, new) in _pairs(want or {}, have or {}):
            if old != new:
                how = "is new" if old is None else "is missing" if new is None else "differs"
                lines.append(f"{kind} {name} {how} in the restored copy")
    return lines


def _pairs(old: Mapping[str, _T], new: Mapping[str, _T]) -> list[tuple[str, tuple[_T | None, _T | None]]]:
    return [(name, (old.get(name), new.get(name))) for name in sorted({*old, *new})]


def _table(cursor: Cursor, database: str, name: str) -> Table:
    path = f"{quote(database)}.{quote(name)}"
    ((count,),) = rows(cursor, f"SELECT COUNT(*) FROM {path}")  # noqa: S608 - quoted above
    ((_, checksum),) = rows(cursor, f"CHECKSUM TABLE {path} EXTENDED")
    if checksum is None:
        warnings = "; ".join(str(row[2]) for row in rows(cursor, "SHOW WARNINGS"))
        raise UserError(
            f"Table {name} cannot be read: {warnings}",
            "CHECK TABLE tells more. Repair the table, and run the backup again.",
        )
    return Table(int(count), int(checksum), _definition(cursor, database, "TABLE", name))


def _definition(cursor: Cursor, database: str, kind: str, name: str) -> str:
    cursor.execute(f"SHOW CREATE {kind} {quote(database)}.{quote(name)}")
    row: tuple[Any, ...] = cursor.fetchone() or ()
    columns = [str(column[0]) for column in cursor.description or ()]
    # Each kind calls its text differently; the names of the other columns hold nothing that a dump keeps.
    text = next(
        (
            value
            for column, value in zip(columns, row, strict=True)
            if column.startswith(("Create ", "SQL Original"))
        ),
        None,
    )
    if text is None:
        raise UserError(
            f"The definition of {kind.lower()} {name} is not readable for the backup's user.",
            "Grant that user SELECT ON mysql.proc, SHOW VIEW, TRIGGER and EVENT.",
        )
    text = str(text)
    if kind == "VIEW":
        # A server that doesn't know the view's owner names the schema of each column.
        text = text.replace(f"{quote(database)}.", "")
    # The next number to give out moves on outside of transactions.
    return hashlib.sha256(_AUTO_INCREMENT.sub(r"\1", text).encode()).hexdigest()
