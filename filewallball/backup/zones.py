"""The server's time zones, copied to the throw-away server: events and computed columns may name one."""

from __future__ import annotations

import pymysql
from pymysql.constants import ER

from filewallball.backup.database import connect, rows
from filewallball.backup.program import login
from filewallball.backup.settings import DatabaseSettings

TABLES = (
    "time_zone",
    "time_zone_leap_second",
    "time_zone_name",
    "time_zone_transition",
    "time_zone_transition_type",
)


def readable(settings: DatabaseSettings) -> bool:
    """Whether the backup's user may read the server's time-zone tables. Raises UserError if it is down."""
    with connect(settings, "Reading the server's time zones") as connection:
        try:
            for table in TABLES:
                rows(connection.cursor(), f"SELECT 1 FROM mysql.{table} LIMIT 1")  # noqa: S608
        except pymysql.MySQLError as error:
            if error.args[0] not in (ER.TABLEACCESS_DENIED_ERROR, ER.NO_SUCH_TABLE):
                raise
            return False
    return True


def command(settings: DatabaseSettings) -> list[str]:
    """The command line that writes the tables' rows as SQL. The password goes by the environment."""
    return [
        *login("mariadb-dump", settings),
        "--no-create-info",
        "--skip-triggers",
        "--skip-lock-tables",
        "mysql",
        *TABLES,
    ]
