"""The schema's migrations on a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from app_lab import Lab
from sqlalchemy import Connection, MetaData, Table

from filewallball.app import migrate, schema, settings
from filewallball.app.database import make_engine
from filewallball.app.tables import metadata


@pytest.fixture
def database(lab: Lab, tmp_path: Path) -> settings.Database:
    """An empty one."""
    name = f"schema_{tmp_path.name[-20:].replace('-', '_')}"
    lab.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4", f"GRANT ALL ON {name}.* TO app@127.0.0.1")
    return settings.database({**lab.environment(), "APP_DATABASE_NAME": name})


def rewrite(connection: Connection, version: str | None) -> None:
    table = Table(schema.VERSION_TABLE, MetaData(), autoload_with=connection)
    connection.execute(table.update().values(version_num=version) if version else table.delete())


def test_the_tables_are_those_of_the_program_whoever_begins_and_however_often(
    database: settings.Database,
) -> None:
    engine = make_engine(database)
    with engine.connect() as connection:
        assert not schema.works(schema.current(connection))
    said: list[str] = []
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(migrate.upgrade, database, said.append) for _ in range(3)]:
            done.result()
    assert sorted(said) == [
        "The schema went from None to 0001.",
        "The schema's version is 0001.",
        "The schema's version is 0001.",
    ]
    with engine.connect() as connection:
        assert schema.works(schema.current(connection))
        options = {"version_table": schema.VERSION_TABLE, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    engine.dispose()


def test_a_migration_that_was_cut_off_is_finished(database: settings.Database) -> None:
    """MariaDB can't take a table back: the version is written after it."""
    migrate.upgrade(database, lambda _: None)
    engine = make_engine(database)
    with engine.begin() as connection:
        rewrite(connection, None)
        connection.exec_driver_sql("DROP TABLE notifications")
    migrate.upgrade(database, lambda _: None)
    with engine.connect() as connection:
        assert schema.works(schema.current(connection))
        connection.exec_driver_sql("SELECT id FROM notifications")
    engine.dispose()


def test_a_newer_schema_is_left_alone_and_a_strange_one_is_refused(database: settings.Database) -> None:
    migrate.upgrade(database, lambda _: None)
    engine = make_engine(database)
    said: list[str] = []
    with engine.begin() as connection:
        rewrite(connection, "9999")
    migrate.upgrade(database, said.append)
    assert said == [f"The schema's version is 9999, newer than {schema.NEWEST}: nothing to do."]
    with engine.connect() as connection:
        assert schema.works(schema.current(connection)), "an older server works on"
    with engine.begin() as connection:
        rewrite(connection, "a1b2c3")
    with pytest.raises(migrate.Refused, match="The schema's version is a1b2c3"):
        migrate.upgrade(database, said.append)
    engine.dispose()


def test_the_command_waits_for_a_database_that_starts(lab: Lab) -> None:
    lab.database.stop()
    words = [sys.executable, "-m", "filewallball.app", "migrate"]
    waiting = subprocess.Popen(words, env={**lab.variables()}, stdout=subprocess.PIPE, text=True)
    assert waiting.stdout
    assert waiting.stdout.readline().startswith("The database can't be reached yet")
    lab.database.start()
    started = time.monotonic()
    output, _ = waiting.communicate(timeout=60)
    assert (waiting.returncode, "The schema's version is" in output) == (0, True), time.monotonic() - started


def test_where_nothing_is_to_do_it_is_quick(lab: Lab) -> None:
    """Each pod runs it before its server: it asks without the libraries that it would migrate with."""
    words = [sys.executable, "-X", "importtime", "-m", "filewallball.app", "migrate"]
    done = subprocess.run(words, env=lab.variables(), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"The schema's version is {schema.NEWEST}.\n"
    assert re.findall(r"\| +(pymysql|sqlalchemy|alembic)$", done.stderr, re.MULTILINE) == ["pymysql"]


def test_the_program_names_its_last_step() -> None:
    found = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))
    assert found.get_current_head() == schema.NEWEST
    assert all(step.revision.isdigit() for step in found.walk_revisions())


def test_make_admin_says_what_is_wrong(lab: Lab) -> None:
    unknown = lab.run("make-admin", "nobody@example.test")
    assert (unknown.returncode, "Nobody has signed up as nobody@example.test." in unknown.stderr) == (1, True)
    assert lab.run("make-admin", "nobody").returncode == 2
    refused = lab.run("make-admin", "a@example.test", APP_DATABASE_USER="stranger")
    assert (refused.returncode, "Traceback" in refused.stderr) == (1, False)
