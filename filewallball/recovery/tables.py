"""Some tables of a backup take the place of those of today, with their triggers; all else stays as it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from pymysql.cursors import Cursor

from filewallball.backup import inventory
from filewallball.backup.database import connect, quote, rows
from filewallball.backup.inventory import Definition, Inventory
from filewallball.backup.restore import Throwaway
from filewallball.backup.workdir import WorkDir, human
from filewallball.errors import ConfigError, UserError
from filewallball.recovery import references, server
from filewallball.recovery.comparing import differing
from filewallball.recovery.fresh import Taken
from filewallball.recovery.loading import Loading, told
from filewallball.recovery.volume import Shared

_TABLES = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"


def check_live(shared: Shared, database: str, tables: Collection[str]) -> None:
    """Raise ConfigError unless the real server has room for the tables as they are, by themselves.

    The backup's user doesn't see all that may refer to them.
    """
    said = shared.ask(f"{references.query(database)};\n", "Looking for foreign keys")
    found = references.read(line.split("\t") for line in said.splitlines())
    references.check(tables, database, found, "in the database")


def put_back(work: WorkDir, copy: Path, loading: Loading, taken: Taken) -> None:
    """Put what was taken into the copy of the server's data, in place of what has these names there.

    The server on the copy has ended in order when this returns. Raises UserError.
    """
    database, log = loading.manifest.database, loading.log
    with server.on_copy(work, copy, loading.live.variables) as running:
        with log.step("put back") as done:
            before = _dropped(running, database, taken, loading)
            with connect(running.login(database), "Making owners of triggers") as connection:
                lender = server.Lender(connection.cursor(), database)
                progress = told(log, taken.sql_bytes, loading.check)
                lines = running.add(taken.dump, database, progress, lender.look)
                strangers = lender.take_back()
            done += [f"{', '.join(sorted(taken.inventory.tables))}, {human(taken.sql_bytes)} of SQL"]
        for line in (*lines, *strangers):
            log.say(line)
        with log.step("compare") as done:
            with connect(running.login(database), "Comparing what was put back") as connection:
                found = _look(connection.cursor(), database, taken.inventory.tables, loading)
            _compare(loading, taken, found)
            check_views(before, found.made)
            done += ["the tables and their triggers are as in the backup, and all views work as before"]


def _dropped(running: Throwaway, database: str, taken: Taken, loading: Loading) -> Mapping[str, Definition]:
    """Drop the tables that are put back; how views and all else were made before."""
    with connect(running.login(database), "Making room for the tables") as connection:
        cursor = connection.cursor()
        # Somebody may have made a foreign key since the first look.
        found = references.read(rows(cursor, references.query(database)))
        references.check(taken.inventory.tables, database, found, "in the database")
        before = _look(cursor, database, (), loading)
        present = {str(name) for (name,) in rows(cursor, _TABLES, database)}
        cursor.execute("SET SESSION foreign_key_checks = 0")
        for name, table in sorted(taken.inventory.tables.items()):
            if name not in present:
                continue
            if inventory.definition(cursor, database, "TABLE", name).sha256 != table.definition:
                loading.log.say(
                    f"table {name} is made in another way today; it becomes what the backup has, so see that"
                    " the application can work with that"
                )
            cursor.execute(f"DROP TABLE {quote(name)}")
        return before.made


def _look(cursor: Cursor, database: str, tables: Collection[str], loading: Loading) -> Inventory:
    """The rows of some tables, and how all but tables is made."""
    others = {str(name) for (name,) in rows(cursor, _TABLES, database)} - {*tables}
    return inventory.take(cursor, database, loading.step, without=others)


def _compare(loading: Loading, taken: Taken, found: Inventory) -> None:
    wanted = replace(loading.manifest, tables=taken.inventory.tables, objects=taken.inventory.objects)
    if lines := differing(wanted, found):
        raise UserError(
            "\n  - ".join(["The tables are not what the backup has:", *lines]),
            "If a trigger is missing, another table has one of that name: drop that, or restore all of the"
            " database.",
        )


def check_views(before: Mapping[str, Definition], now: Mapping[str, Definition]) -> None:
    """Raise ConfigError if views worked before that don't now: tables lost columns that they show."""
    broken = [
        name
        for name, made in before.items()
        if made.columns is not None and (name not in now or now[name].columns is None)
    ]
    if broken:
        raise ConfigError(
            f"--tables: with these tables as the backup has them, {', '.join(broken)} would no longer work.",
            "Drop what shows columns that the backup doesn't have, and make it anew afterwards.",
        )
