"""Who owns views, triggers, routines and events. A server that doesn't know them refuses some of these."""

from __future__ import annotations

from collections.abc import Sequence

from pymysql.cursors import Cursor

from filewallball.backup.database import connect, quote, rows
from filewallball.backup.settings import DatabaseSettings

Owner = tuple[str, str]
"""A user's name and host."""
_DEFINERS = """
SELECT DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s
UNION SELECT DEFINER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s
UNION SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s
UNION SELECT DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s
"""


def of(settings: DatabaseSettings) -> list[Owner]:
    """The users by whom something of the database is defined. Raises UserError if the server is down."""
    with connect(settings, "Reading who owns views and routines") as connection:
        found = rows(connection.cursor(), _DEFINERS, *[settings.name] * 4)
    named = [str(definer).rpartition("@") for (definer,) in found]
    return [(user, host) for user, _, host in named if user and host]


def make(cursor: Cursor, owners: Sequence[Owner], database: str) -> None:
    """Accounts of these names, with which nobody can log in, and which may use the database."""
    for owner in owners:
        cursor.execute("CREATE USER IF NOT EXISTS %s@%s ACCOUNT LOCK", owner)
        cursor.execute(f"GRANT ALL PRIVILEGES ON {quote(database)}.* TO %s@%s", owner)
