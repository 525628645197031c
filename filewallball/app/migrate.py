"""The schema's migrations: one server at a time, and never back.

Steps only add. So servers of the version before go on with the newer schema, and an older version that is
rolled back to leaves it as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from filewallball.app import schema, settings
from filewallball.app.database import make_engine

LOCK, LOCK_SECONDS = "filewallball-app-migrate", 120
START_SECONDS = 120.0
"""How long to wait for a database that is starting."""
STEP_SECONDS = 600
"""How long one statement may take: a large table is changed."""


class Refused(Exception):
    """Another migration is at work, or the schema is of no version that this program knows."""


def upgrade(database: settings.Database, say: Callable[[str], None], wait: float = START_SECONDS) -> None:
    """Bring the schema to this version's. Raises Refused; DBAPIError if the database is gone or refuses."""
    engine = make_engine(
        database, read_timeout=STEP_SECONDS + LOCK_SECONDS, init_command="SET time_zone = '+00:00'"
    )
    try:
        deadline = time.monotonic() + wait
        while True:
            try:
                connection = engine.connect()
                break
            except DBAPIError as error:
                if time.monotonic() > deadline:
                    raise
                say(f"The database can't be reached yet: {error.orig}")
                time.sleep(1)
        with connection:
            _upgrade(connection, say)
    finally:
        engine.dispose()


def _upgrade(connection: Connection, say: Callable[[str], None]) -> None:
    got = connection.execute(
        text("SELECT GET_LOCK(:name, :seconds)"), {"name": LOCK, "seconds": LOCK_SECONDS}
    )
    if got.scalar() != 1:
        raise Refused(
            f"Another migration has been at work for {LOCK_SECONDS} s. Wait for its end and run it again."
        )
    try:
        here = schema.current(connection)
        if enough := schema.enough(here):
            say(enough)
            return
        if here is not None and here not in _known():
            raise Refused(
                f"The schema's version is {here}, and this program knows it not. Use another database."
            )
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        say(f"The schema went from {here} to {schema.NEWEST}.")
    finally:
        connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": LOCK})


def _known() -> set[str]:
    return {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
