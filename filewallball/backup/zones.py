"""The server's time zones, copied to the throw-away server: events and computed columns may name one."""

from __future__ import annotations

from collections.abc import Mapping

import pymysql
from pymysql.constants import ER
from pymysql.cursors import Cursor

from filewallball.backup.database import connect, rows
from filewallball.backup.settings import DatabaseSettings

TABLES = (
    "time_zone",
    "time_zone_leap_second",
    "time_zone_name",
    "time_zone_transition",
    "time_zone_transition_type",
)

Zones = Mapping[str, list[tuple[object, ...]]]


def read(settings: DatabaseSettings) -> Zones:
    """The rows of the server's time-zone tables, by table; empty if the backup's user may not read them.

    Raises UserError if the server does not answer.
    """
    found: dict[str, list[tuple[object, ...]]] = {}
    with connect(settings, "Reading the server's time zones") as connection:
        try:
            for table in TABLES:
                found[table] = rows(connection.cursor(), f"SELECT * FROM mysql.{table}")  # noqa: S608
        except pymysql.MySQLError as error:
            if error.args[0] not in (ER.TABLEACCESS_DENIED_ERROR, ER.NO_SUCH_TABLE):
                raise
            return {}
    return found


def write(cursor: Cursor, zones: Zones) -> None:
    """Fill the time-zone tables of another server, where they are empty. Raises the driver's errors."""
    for table, lines in zones.items():
        if lines:
            values = ", ".join(["%s"] * len(lines[0]))
            cursor.executemany(f"INSERT INTO mysql.{table} VALUES ({values})", lines)  # noqa: S608
