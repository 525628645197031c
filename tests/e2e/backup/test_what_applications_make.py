"""Triggers, functions and events that an application makes are backed up and proven, whatever their state."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pymysql
import pytest
from test_round_trip import restore_elsewhere

from filewallball.backup import catalogue
from filewallball.backup import job as backup_job
from filewallball.backup.zones import TABLES

APP = "filewallball_app"
MADE = (
    "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME, body TEXT,"
    " local DATETIME AS (CONVERT_TZ(at, 'UTC', 'Asia/Seoul')) VIRTUAL)",
    "CREATE TRIGGER mark BEFORE INSERT ON notes FOR EACH ROW SET NEW.body = CONCAT('✓', NEW.body)",
    "CREATE FUNCTION dice() RETURNS DOUBLE NOT DETERMINISTIC RETURN RAND()",
    "INSERT INTO notes (at, body) VALUES ('2024-01-01', 'a'), ('1988-07-01', 'b')",
    # The throw-away server must know their owner, and mariadb-dump must be let look at the function.
    "CREATE VIEW recent AS SELECT n.id, n.body, dice() AS d FROM notes n WHERE n.at > '2000-01-01'",
    "CREATE VIEW counted AS SELECT COUNT(*) AS n FROM recent JOIN notes USING (id)",
)
EVENTS = (
    "CREATE EVENT on_ ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01 03:00:00' DO DELETE FROM notes WHERE 0",
    "CREATE EVENT off ON SCHEDULE EVERY 1 SECOND DISABLE DO DELETE FROM notes",
    "CREATE EVENT slave ON SCHEDULE EVERY 1 SECOND DISABLE ON SLAVE DO DELETE FROM notes",
    "CREATE EVENT once ON SCHEDULE AT '2035-01-01 00:00:00' DO DELETE FROM notes",
    "CREATE EVENT ended ON SCHEDULE EVERY 1 HOUR STARTS '2020-01-01' ENDS '2035-01-01'"
    " DO DELETE FROM notes WHERE 0",
    "CREATE EVENT kept ON SCHEDULE AT NOW() - INTERVAL 1 HOUR ON COMPLETION PRESERVE DO DELETE FROM notes",
    # Its hour passes while it is disabled: nothing removes it.
    "SET TIMESTAMP = 1600000000",
    "CREATE EVENT missed ON SCHEDULE AT '2021-01-01 00:00:00' DISABLE DO DELETE FROM notes",
    "SET TIMESTAMP = DEFAULT",
    "SET time_zone = 'America/New_York'",
    "CREATE EVENT far ON SCHEDULE EVERY 1 DAY STARTS '2030-07-01 02:30:00' DO DELETE FROM notes WHERE 0",
)
STATES = (
    "SELECT EVENT_NAME, STATUS, TIME_ZONE, DEFINER FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s"
    " ORDER BY 1"
)


@pytest.fixture
def app(job: Any) -> Any:
    """The job, with an application's user at work in its database."""
    rights = "ALL PRIVILEGES"
    job.server.run(f"CREATE USER {APP}", f"GRANT {rights} ON {job.database}.* TO {APP}")
    yield job
    job.server.run(f"DROP USER {APP}")


def work(job: Any, *statements: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with (
        closing(
            pymysql.connect(unix_socket=job.server.socket, user=APP, database=job.database, autocommit=True)
        ) as connection,
        connection.cursor() as cursor,
    ):
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


def states(job: Any, database: str) -> list[tuple[Any, ...]]:
    with closing(job.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(STATES, (database,))
        return list(cursor.fetchall())


def test_all_that_an_application_makes_is_proven(app: Any) -> None:
    work(app, *MADE, *EVENTS)
    code, output = app.run()
    assert code == 0, output
    manifest = catalogue.newest_verified(app.store())
    assert manifest is not None
    assert {kind: sorted(names) for kind, names in manifest.objects.items()} == {
        "view": ["counted", "recent"],
        "trigger": ["mark"],
        "routine": ["function dice"],
        "event": ["ended", "far", "kept", "missed", "off", "on_", "once", "slave"],
    }
    # as users.sql does before anything is restored: a view that calls a function asks for its owner's rights
    app.server.run(f"GRANT ALL PRIVILEGES ON {app.database}_copy.* TO {APP}")
    copy = restore_elsewhere(app, manifest)
    try:
        kept = states(app, app.database)
        assert states(app, copy) == kept
        assert {row[0]: row[1] for row in kept}["slave"] == "SLAVESIDE_DISABLED"
        assert {row[3] for row in kept} == {f"{APP}@%"}
        assert app.server.run("SELECT n FROM counted", database=copy) == [(1,)]
        app.server.run("INSERT INTO notes (body) VALUES ('c')", database=copy)
        assert app.server.run("SELECT body FROM notes WHERE id = 3", database=copy) == [("✓c",)]
    finally:
        app.server.run(f"DROP DATABASE {copy}")


def test_events_that_change_during_the_dump_do_not_count(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of them the dump holds is chance, as with one that runs for the last time meanwhile."""
    work(app, *MADE, EVENTS[0], EVENTS[1], EVENTS[3])
    changes = ["DROP EVENT once", "ALTER EVENT off ENABLE", f"{EVENTS[1].replace('off', 'new')}"]

    def change(*_: object) -> None:
        while changes:
            work(app, changes.pop())

    monkeypatch.setattr(backup_job, "_dumping", lambda _: change)
    said: list[str] = []
    manifest = backup_job.run(app.settings(), backup_job.Log(said.append), app.store())
    assert manifest.objects["event"].keys() == {"on_"}
    assert any(
        "not compared, because they ran or changed meanwhile: events new, off, once" in line for line in said
    )


def test_a_server_whose_time_zones_the_user_may_not_read(app: Any) -> None:
    for table in TABLES:
        app.sql(f"REVOKE SELECT ON mysql.{table} FROM {app.user}")  # noqa: S608
    work(app, MADE[0], EVENTS[0])
    app.back_up()
    work(app, *EVENTS[-2:])
    code, output = app.run()
    assert code == 0, output
    assert "event far: Unknown or incorrect time zone: 'America/New_York'" in output
    assert "GRANT SELECT ON mysql.time_zone_name" in output
