"""A backup in a fresh throw-away server, under its database's own name; and what of it is taken elsewhere.

The binary log knows the database by that name alone. And a part can only be proven where the whole is.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pymysql.cursors import Cursor

from filewallball.backup import contents, inventory, mariadbd, restore, zones
from filewallball.backup.contents import Contents
from filewallball.backup.database import connect, quote, rows
from filewallball.backup.dump import Dump
from filewallball.backup.inventory import Inventory
from filewallball.backup.restore import Throwaway
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir, human
from filewallball.errors import UserError
from filewallball.recovery import references
from filewallball.recovery.loading import Loading

_OPEN_SECONDS = 300.0
_TABLES = """
SELECT TABLE_NAME FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')
"""
_OBJECTS = """
SELECT 'VIEW', TABLE_NAME, '' FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s
UNION ALL SELECT ROUTINE_TYPE, ROUTINE_NAME, '' FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s
UNION ALL SELECT 'EVENT', EVENT_NAME, '' FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s
UNION ALL SELECT 'TRIGGER', TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS
WHERE TRIGGER_SCHEMA = %s
"""


@dataclass(frozen=True)
class Taken:
    """A dump of what the fresh server held at last, and what that was. `sql_bytes`: the dump, unpacked."""

    dump: Path
    sql_bytes: int
    inventory: Inventory


def take(work: WorkDir, source: DatabaseSettings, loading: Loading, tables: Collection[str] = ()) -> Taken:
    """Load what is wanted, go forward, and dump it: all of it, or `tables` with their triggers alone.

    `source`: the real server, whose time zones are copied. Raises UserError; ConfigError if foreign keys tie
    the tables to others.
    """
    database = loading.manifest.database
    with restore.throwaway(work, loading.server, mariadbd.LARGE) as running:
        _learn_zones(running, source)
        loading.into(running)
        if tables:
            with connect(running.login(database), "Leaving out what was not asked for") as connection:
                cursor = connection.cursor()
                present = [str(name) for (name,) in rows(cursor, _TABLES, database)]
                where = f"the database at {loading.forward}" if loading.forward else loading.manifest.name
                references.check_names(tables, present, where)
                found = references.read(rows(cursor, references.query(database)))
                references.check(tables, database, found, "in the backup")
                _leave_out(cursor, database, tables)
        # Or the text of their views would name the database, which is to be another one.
        running.know_owners(running.login(database))
        with loading.log.step("take") as done:
            taken = _dumped(work, running, loading, tables)
            done += [f"{len(taken.inventory.tables)} tables, {human(taken.sql_bytes)} of SQL"]
            return taken


def _learn_zones(running: Throwaway, source: DatabaseSettings) -> None:
    # The database itself may be gone: that is what a restore is for.
    source = replace(source, name="information_schema")
    with suppress(UserError):  # what needs a zone then says so
        if zones.readable(source):
            running.know_zones(source)


def _leave_out(cursor: Cursor, database: str, tables: Collection[str]) -> None:
    """Drop views, routines, events and the triggers of other tables. Sequences stay: tables may use them."""
    for kind, name, table in rows(cursor, _OBJECTS, *[database] * 4):
        if table not in tables:
            cursor.execute(f"DROP {kind} IF EXISTS {quote(name)}")


def _dumped(work: WorkDir, running: Throwaway, loading: Loading, tables: Collection[str]) -> Taken:
    database = loading.manifest.database
    login = running.login(database)
    with connect(login, "Reading rows") as reading, connect(login, "Counting rows") as counting:
        held = contents.read(counting.cursor(), database)
        without = held.outside | held.unreadable
        if tables:
            without |= {*held.tables} - {*tables}
            held = _only(held, tables)
        with Dump(login, work, held, "zstd") as dump:
            dump.wait_open(_OPEN_SECONDS)
            dump.go_on(reading)
            found = inventory.take(counting.cursor(), database, loading.step, without=without)
            dumped = dump.finish()
    if tables:
        found = Inventory(found.tables, {"trigger": found.objects.get("trigger", {})})
    return Taken(dumped.path, dumped.sql_bytes, found)


def _only(held: Contents, tables: Collection[str]) -> Contents:
    return replace(
        held,
        sequences=(),
        tables=tuple(name for name in held.tables if name in tables),
        plain=tuple(name for name in held.plain if name in tables),
        exact=tuple(table for table in held.exact if table.name in tables),
        locked=held.locked & {*tables},
        outside=held.outside & {*tables},
    )
