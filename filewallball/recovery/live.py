"""The server that is in use, as a restore sees it: what it is, when it takes writes, whether it works."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from facts.recovery import USER
from filewallball.backup.database import connect, quote, rows
from filewallball.backup.manifest import Manifest
from filewallball.backup.settings import DatabaseSettings
from filewallball.errors import ConfigError, UserError
from filewallball.recovery.server import MIRRORED
from filewallball.recovery.volume import Shared

_LOCK_SECONDS = 30
_BACK_SECONDS = 15.0
_START_SECONDS = 600.0
_POLL_SECONDS = 0.3


@dataclass(frozen=True)
class Live:
    """The server's version, and the variables that matter for a copy."""

    version: str
    variables: dict[str, str]


def _anywhere(settings: DatabaseSettings) -> DatabaseSettings:
    """The database itself may be gone: that is what a restore is for."""
    return replace(settings, name="information_schema")


def look(settings: DatabaseSettings) -> Live:
    """What there is to know. Raises UserError if the server is down."""
    with connect(_anywhere(settings), f"Connecting to {settings.host}:{settings.port}") as connection:
        cursor = connection.cursor()
        ((version,),) = rows(cursor, "SELECT VERSION()")
        known = {str(name).lower(): str(value) for name, value in rows(cursor, "SHOW GLOBAL VARIABLES")}
    return Live(str(version), {name: known[name] for name in MIRRORED if name in known})


def hold(shared: Shared, settings: DatabaseSettings) -> DatabaseSettings:
    """Have ordinary users' writes refused; the login of a user who may copy the data. Raises UserError."""
    password = secrets.token_urlsafe(24)
    shared.ask(
        f"SET SESSION sql_log_bin = 0, lock_wait_timeout = {_LOCK_SECONDS};\n"
        f"CREATE OR REPLACE USER '{USER}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT RELOAD, PROCESS, BINLOG MONITOR ON *.* TO '{USER}'@'%';\n"
        "SET GLOBAL read_only = 1;\n",
        "Having writes refused",
    )
    if not _read_only(settings):
        raise UserError("The server still takes writes.", "Run the restore again.")
    return replace(settings, user=USER, password=password, name="information_schema")


def make(shared: Shared, settings: DatabaseSettings, database: str, manifest: Manifest) -> DatabaseSettings:
    """Make a new database; the login of a user who may do all in it, and name others as owners.

    Raises ConfigError if it is there already (the backup's user doesn't see all databases), UserError.
    """
    password = secrets.token_urlsafe(24)
    pattern = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
    try:
        # The client stops at the first error: who has no new database gets no rights either.
        shared.ask(
            f"CREATE DATABASE {quote(database)} CHARACTER SET {manifest.charset}"
            f" COLLATE {manifest.collation};\n"
            "SET SESSION sql_log_bin = 0;\n"
            f"CREATE OR REPLACE USER '{USER}'@'%' IDENTIFIED BY '{password}';\n"
            f"GRANT SET USER ON *.* TO '{USER}'@'%';\n"
            f"GRANT ALL PRIVILEGES ON {quote(pattern)}.* TO '{USER}'@'%';\n"
            f"GRANT SELECT ON mysql.proc TO '{USER}'@'%';\n",
            f"Making the database {database}",
        )
    except UserError as error:
        if "ERROR 1007" in error.message:
            raise ConfigError(
                f"--into {database}: the server has a database of that name.", "Give the name of a new one."
            ) from error
        raise
    return replace(settings, user=USER, password=password, name=database)


def _read_only(settings: DatabaseSettings) -> bool:
    with connect(_anywhere(settings), "Asking whether the server takes writes") as connection:
        ((on,),) = rows(connection.cursor(), "SELECT @@GLOBAL.read_only")
    return bool(on)


def wait_writable(settings: DatabaseSettings) -> str:
    """Wait until writes are accepted again; a sentence that says how it is."""
    deadline = time.monotonic() + _BACK_SECONDS
    while time.monotonic() < deadline:
        try:
            if not _read_only(settings):
                return "The old data is served as before."
        except UserError:
            pass
        time.sleep(_POLL_SECONDS)
    return "The old data is served, and writes are accepted again within a minute."


def wait_back(settings: DatabaseSettings, tables: Collection[str]) -> None:
    """Wait until the server serves the restored database with its tables. Raises UserError if it doesn't."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with connect(settings, "Connecting to the restarted server") as connection:
                found = rows(
                    connection.cursor(),
                    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s",
                    settings.name,
                )
            break
        except UserError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
    if lost := sorted(set(tables) - {str(name) for (name,) in found}):
        raise UserError(f"The restarted server lacks tables: {', '.join(lost)}.", "Run the restore again.")
