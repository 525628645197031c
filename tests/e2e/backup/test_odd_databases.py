"""What a server can hold is backed up and proven, or told; the rest is backed up all the same."""

from __future__ import annotations

import gzip
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from test_round_trip import restore_elsewhere

from filewallball.backup import contents, exact, inventory
from filewallball.backup import job as backup_job
from filewallball.backup.database import SESSION
from filewallball.backup.manifest import Manifest
from filewallball.recovery.comparing import differing

ODD_TABLES = Path(__file__).with_name("odd_tables.sql")
TOLD = {
    "by_transaction": "`ALTER TABLE `by_transaction` ADD SYSTEM VERSIONING;`",
    "crashed": "`REPAIR TABLE `crashed`;`",
    "crashed_floats": "`REPAIR TABLE `crashed_floats`;`",
    "discarded": "`DROP TABLE `discarded`;`",
    "drifted": "Run `ALTER TABLE `drifted` DROP FOREIGN KEY `drifts`;`",
    "merged_with_a_gap": "`ALTER TABLE `merged_with_a_gap` UNION=(…);`",
    "two_texts": "`SHOW CREATE TABLE `two_texts`;`",
}
"""What is told of which table. All others are as they were, though some are known to be broken."""
REALS = (
    "SELECT id, CAST(f AS DOUBLE), CAST(u AS DOUBLE), CAST(m AS DOUBLE), CAST(d AS DOUBLE),"
    " HEX(body), bits + 0, list + 0, many + 0, at, day, y, HEX(place), hidden, addr, u_id, doc,"
    " amount FROM floats ORDER BY id"
)


def back_up(job: Any) -> tuple[Manifest, list[str]]:
    """The manifest of a run in this process, and what it said."""
    said: list[str] = []
    return backup_job.run(job.settings(), backup_job.Log(said.append), job.store()), said


def damage_files(job: Any) -> None:
    """Nobody notices before the rows are read."""
    job.sql("FLUSH TABLES crashed, crashed_floats")
    for name in ("crashed", "crashed_floats"):
        path = Path(job.server.socket).parent / "data" / job.database / f"{name}.MYD"
        rows = bytearray(path.read_bytes())
        rows[len(rows) // 2 :] = bytes([0xEE]) * (len(rows) - len(rows) // 2)
        path.write_bytes(rows)


def unlike(job: Any, database: str, manifest: Manifest) -> list[str]:
    """What a restore would find in it that the manifest doesn't tell."""
    with closing(job.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(SESSION)
        return differing(manifest, inventory.take(cursor, database, lambda *_: None))


def test_all_tables_of_a_server_come_back(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (contents, exact):
        monkeypatch.setattr(module, "LONG", 2**19)  # or most of the time goes by with values of such a length
    monkeypatch.setattr(exact, "_PIECE", 2**17)
    job.server.load(ODD_TABLES.read_bytes(), job.database)
    damage_files(job)
    manifest, said = back_up(job)
    begun, _, mends = zip(*(line.partition(": ") for line in sorted(manifest.differences)), strict=True)
    assert begun == tuple(f"table {name}" for name in sorted(TOLD))
    for line, mend in zip(mends, [TOLD[each] for each in sorted(TOLD)], strict=True):
        assert mend in line
    locked = ("aria_table", "elsewhere", "in_csv", "in_memory", "my_isam", "my_isam_too",
              "no_such_day_floats", "no_such_day_locked")  # fmt: skip
    assert manifest.locked_tables == locked
    assert manifest.locked_seconds > 0
    assert any(f"writers of {', '.join(locked)} waited" in line for line in said)

    # Read in one, a long value takes many times its length in memory: such come in pieces.
    sql = gzip.decompress(job.store().get(manifest.name))
    assert max(map(len, sql.split(b"\n"))) < 2**20

    copy = restore_elsewhere(job, manifest)
    run = job.server.run
    try:
        assert unlike(job, copy, manifest) == []
        assert run(REALS, database=copy) == run(REALS, database=job.database)
        texts = "SELECT id, HEX(c) FROM two_texts"
        assert run(texts, database=copy) == run(texts, database=job.database)
        names = "SELECT id, name FROM by_transaction"
        assert run(names, database=copy) == [(1, "new")]
        assert run("SELECT HEX(name) FROM japanese WHERE id = 1", database=copy) == [("8790",)]
        ages = "SELECT id, CAST(f AS DOUBLE) FROM float_history FOR SYSTEM_TIME ALL ORDER BY ROW_START, id"
        assert run(ages, database=copy) == run(ages, database=job.database)
        assert run("SELECT NEXTVAL(z_numbers) >= 20", database=copy) == [(1,)]
    finally:
        run(f"DROP DATABASE {copy}")


def test_computed_columns_that_are_stored_count(job: Any) -> None:
    """CHECKSUM TABLE doesn't read them, and by chance counts in what its buffer held before."""
    job.sql("CREATE TABLE source (id INT PRIMARY KEY, n INT)", "INSERT INTO source VALUES (1, 5), (2, NULL)")
    column = "CREATE TABLE {} (id INT PRIMARY KEY, n INT, g INT AS (n + {}) STORED, v INT AS (n * 2) VIRTUAL)"
    with closing(job.server.connect(job.database)) as connection, connection.cursor() as cursor:
        for name, more in (("one", 1), ("two", 2)):
            cursor.execute(column.format(name, more))
            cursor.execute(f"INSERT INTO {name} (id, n) SELECT id, n FROM source")  # noqa: S608
        found = inventory.take(cursor, job.database, lambda *_: None).tables
        assert found["one"].checksum != found["two"].checksum
        cursor.execute("ALTER TABLE one FORCE")
        assert inventory.take(cursor, job.database, lambda *_: None).tables == found


PROGRAMS = (
    "ALTER DATABASE COMMENT 'it''s \\\\ 한'",
    "CREATE TABLE notes (id INT AUTO_INCREMENT PRIMARY KEY, at DATETIME, body TEXT)",
    "INSERT INTO notes (at, body) VALUES ('2024-01-01', 'a'), ('1988-07-01', 'b')",
    "CREATE FUNCTION shout(t TEXT) RETURNS TEXT DETERMINISTIC RETURN UPPER(t)",
    "CREATE SQL SECURITY INVOKER VIEW loud AS SELECT shout(body) AS t FROM notes",
    "CREATE VIEW z_first AS SELECT id, body FROM notes",
    "CREATE VIEW m_second AS SELECT id FROM z_first",
    "CREATE VIEW a_third AS SELECT z.id FROM z_first z JOIN m_second m USING (id)",
    "CREATE PROCEDURE odd_lines() BEGIN\n  /*\ndelimiter ;;\n*/\n  SELECT 'a;;b\ndelimiter //\n',"
    ' "it\'s \\\\";'
    "\r\nEND",
    "CREATE AGGREGATE FUNCTION summed(x INT) RETURNS INT BEGIN DECLARE s INT DEFAULT 0;"
    " DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s;"
    " LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END",
    "CREATE TRIGGER z_one BEFORE INSERT ON notes FOR EACH ROW SET NEW.body = CONCAT(NEW.body, '1')",
    "CREATE TRIGGER m_two BEFORE INSERT ON notes FOR EACH ROW FOLLOWS z_one"
    " SET NEW.body = CONCAT(NEW.body, '2')",
    "CREATE TRIGGER a_three BEFORE INSERT ON notes FOR EACH ROW SET NEW.body = CONCAT(NEW.body, '3')",
    "SET sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
    "CREATE PROCEDURE other_quotes() COMMENT 'a\\''b' SELECT 'a\\' || 'b' AS \"c\"",
    "CREATE EVENT other_quotes ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' DISABLE COMMENT 'a\\''b' DO DO 1",
    "SET sql_mode = 'ORACLE'",
    "CREATE PACKAGE tools AS FUNCTION one RETURN INT; END",
    "CREATE PACKAGE BODY tools AS FUNCTION one RETURN INT AS BEGIN RETURN 1; END; END",
    "CREATE TRIGGER oracle BEFORE UPDATE ON notes FOR EACH ROW BEGIN :NEW.body := :OLD.body; END",
    "SET sql_mode = DEFAULT",
    "SET NAMES cp932",
    "CREATE PROCEDURE japanese(`表` INT) COMMENT 'ソ ''\\\\ 表' SELECT 'ソ表;;'",
    "CREATE FUNCTION japanese_list() RETURNS ENUM('ソ', 'b') CHARACTER SET cp932 RETURN 'b'",
    "CREATE EVENT `japanese_ソ表` ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01' DISABLE COMMENT 'ソ\\n表'"
    " DO DO 1",
    "SET NAMES utf8mb4",
    "SET TIMESTAMP = 1600000000",
    "CREATE EVENT passed ON SCHEDULE AT '2021-01-01 00:00:00' ON COMPLETION NOT PRESERVE DISABLE DO DO 1",
    "SET time_zone = 'America/New_York'",
    "CREATE EVENT far_and_passed ON SCHEDULE AT '2021-07-01 02:30:00' DISABLE DO DO 1",
    "SET time_zone = DEFAULT, TIMESTAMP = DEFAULT",
    "CREATE EVENT off ON SCHEDULE EVERY 1 HOUR STARTS '2021-01-01' ENDS '2022-01-01' ON COMPLETION PRESERVE"
    " DISABLE DO DO 1",
    "CREATE TABLE gone (id INT)",
    "CREATE VIEW broken AS SELECT id FROM gone",
    "CREATE VIEW on_a_broken_one AS SELECT id FROM broken",
    "DROP TABLE gone",
)


def states(job: Any, database: str) -> list[list[tuple[Any, ...]]]:
    """What only information_schema tells in one go."""
    run = job.server.run
    listed = (
        "EVENT_NAME, STATUS, TIME_ZONE, EXECUTE_AT, STARTS, ENDS, EVENT_COMMENT"
        " FROM information_schema.EVENTS WHERE EVENT_SCHEMA",
        "TRIGGER_NAME, ACTION_ORDER FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA",
        "name, type, sql_mode, body, HEX(body_utf8), comment, returns FROM mysql.proc WHERE db",
        "TABLE_NAME, DEFINER, SECURITY_TYPE FROM information_schema.VIEWS"
        " WHERE TABLE_NAME NOT LIKE '%broken%' AND TABLE_NAME <> 'deserted' AND TABLE_SCHEMA",
    )
    return [run(f"SELECT {what} = '{database}' ORDER BY 1, 2") for what in listed]


def test_views_routines_and_events_however_they_were_made(job: Any) -> None:
    gone = f"gone_{job.database}"
    with closing(job.server.connect(job.database)) as connection, connection.cursor() as cursor:
        for statement in PROGRAMS:
            if "japanese" in statement:  # as a client sends it that is in this character set
                connection.encoding = "cp932"
            cursor.execute(statement)
            connection.encoding = "utf8"
    job.sql(
        f"CREATE USER {gone}",
        f"CREATE DEFINER={gone} VIEW deserted AS SELECT id, shout(body) FROM notes",  # noqa: S608
        f"DROP USER {gone}",
    )
    manifest, _ = back_up(job)
    assert [line.partition(":")[0] for line in manifest.differences] == [
        "view broken",
        "view on_a_broken_one",
    ]
    assert "doesn't exist. Run `DROP VIEW `broken`;`, or make what it needs." in manifest.differences[0]
    # What is broken stops a plain client no more than it stops the backup, nor does `deserted`, which only
    # a server takes that knows its owner. The rest is as it was.
    copy = restore_elsewhere(job, manifest)
    try:
        assert unlike(job, copy, manifest) == ["view deserted is missing"]
        assert states(job, copy) == states(job, job.database)
        assert job.server.run("SELECT COUNT(*) FROM a_third", database=copy) == [(2,)]
        insert = "INSERT INTO notes (body) VALUES ('c')"
        assert job.server.run(insert, "SELECT body FROM notes WHERE id = 3", database=copy) == [("c123",)]
    finally:
        job.server.run(f"DROP DATABASE {copy}")
