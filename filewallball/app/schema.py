"""Which version of the schema this program needs, and which one is there. The steps are in migrations/."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pymysql

from filewallball.app import connecting
from filewallball.app.settings import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION_TABLE = "filewallball_app_version"
NEWEST = "0001"
"""The last step of migrations/versions."""
_TABLES = "FROM information_schema.tables WHERE table_schema = DATABASE()"
_THERE = f"SELECT COUNT(*) {_TABLES} AND table_name = '{VERSION_TABLE}'"
_VERSION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - ours


def current(connection: Connection) -> str | None:
    """The schema's version; None before the first migration."""
    return _read(lambda statement: connection.exec_driver_sql(statement).scalar())


def _read(value: Callable[[str], Any]) -> str | None:
    """`value`: the first one of a statement's rows."""
    found = value(_VERSION) if value(_THERE) else None
    return None if found is None else str(found)


def works(here: str | None) -> bool:
    """Whether this program can work with a schema of that version: its own, or a newer one."""
    return here is not None and here.isdigit() and int(here) >= int(NEWEST)


def enough(here: str | None) -> str:
    """What to say where there is nothing to migrate; empty: there is."""
    if not works(here):
        return ""
    newer = "" if here == NEWEST else f", newer than {NEWEST}: nothing to do"
    return f"The schema's version is {here}{newer}."


def look(database: Database) -> str:
    """The same, asked without SQLAlchemy and Alembic, since each pod asks before it starts.

    Empty also if the database doesn't answer. Raises WrongSetting.
    """
    try:
        with pymysql.connect(
            host=database.host,
            port=database.port,
            database=database.name,
            user=database.user,
            password=database.password(),
            **connecting.options(database),
        ) as connection:
            return enough(_read(lambda statement: _first(connection, statement)))
    except (pymysql.MySQLError, OSError):
        return ""


def _first(connection: pymysql.Connection[Any], statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return row[0] if row else None
