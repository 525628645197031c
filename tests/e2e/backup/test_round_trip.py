"""What is backed up comes back the same: checked by loading the stored file with the ordinary client."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from filewallball.backup import catalogue
from filewallball.backup.manifest import Manifest

# Children sort before their parents; one of everything that a dump could lose.
SCHEMA = r"""
CREATE TABLE a_child (id INT PRIMARY KEY, parent INT NOT NULL, note TEXT,
  FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE CASCADE);
CREATE TABLE `이상한 ``table-1` (`열 ``1` INT PRIMARY KEY, `값` VARCHAR(20) DEFAULT '기본');
CREATE TABLE kinds (
  id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  korean VARCHAR(100), latin VARCHAR(20) CHARACTER SET latin1, raw LONGBLOB, fixed BINARY(4), bits BIT(11),
  doc JSON, money DECIMAL(30,10), real_ DOUBLE, day DATE, at DATETIME(6), stamp TIMESTAMP(3) NULL, span TIME(2),
  choice ENUM('예','아니오'), many SET('a','b','c'), year_ YEAR, place POINT, flag BOOLEAN,
  doubled INT AS (id * 2) VIRTUAL, summed DECIMAL(32,10) AS (money + 1) STORED, hidden INT INVISIBLE DEFAULT 7,
  KEY (korean(10)), UNIQUE KEY (fixed), FULLTEXT KEY (korean), CHECK (flag IN (0, 1)));
CREATE TABLE parted (id INT, at DATE, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at))
  (PARTITION old VALUES LESS THAN (2020), PARTITION later VALUES LESS THAN MAXVALUE);
CREATE TABLE kept (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;
CREATE TABLE nothing_in_it (id INT PRIMARY KEY, t TEXT);
CREATE TABLE squeezed (id INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED;
CREATE SEQUENCE numbers START WITH 5 INCREMENT BY 3;
CREATE VIEW a_view AS SELECT id, korean FROM kinds WHERE flag = 1;
CREATE VIEW a_view_of_a_view AS SELECT COUNT(*) AS n FROM a_view;
"""
ROUTINES = (
    "CREATE FUNCTION 두배(x INT) RETURNS INT DETERMINISTIC RETURN x * 2",
    "CREATE PROCEDURE add_note(IN who INT, IN what TEXT)\r\nBEGIN\r\n  -- 주석 ';;'\r\n"
    "  INSERT INTO a_child VALUES (who * 100, who, what);\r\nEND",
    "CREATE TRIGGER mark BEFORE INSERT ON a_child FOR EACH ROW SET NEW.note = CONCAT('✓', COALESCE(NEW.note, ''))",
    "CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 03:00:00' DISABLE"
    " DO DELETE FROM a_child WHERE id < 0",
)


def fill(job: Any) -> None:
    job.sql("SET FOREIGN_KEY_CHECKS=0", *(part for part in SCHEMA.split(";\n") if part.strip()))
    for routine in ROUTINES:
        job.sql(routine)
    job.sql("CREATE TABLE z_parent (id INT PRIMARY KEY, name VARCHAR(50))")
    job.sql("INSERT INTO z_parent SELECT seq, CONCAT('부모 ', seq) FROM seq_1_to_50")
    job.sql("INSERT INTO a_child SELECT seq, 1 + seq % 50, '메모' FROM seq_1_to_200")
    job.sql("INSERT INTO `이상한 ``table-1` VALUES (1, '값'), (2, DEFAULT)")
    job.sql("INSERT INTO parted VALUES (1, '2019-05-05'), (2, '2024-02-29')")
    job.sql(
        "INSERT INTO kept VALUES (1, 1), (2, 1)",
        "UPDATE kept SET v = 2 WHERE id = 1",
        "DELETE FROM kept WHERE id = 2",
    )
    job.sql("INSERT INTO squeezed SELECT seq, REPEAT('압축', 300) FROM seq_1_to_100")
    job.sql("SELECT NEXTVAL(numbers)")
    every_byte = "0x" + bytes(range(256)).hex()
    job.sql(
        "INSERT INTO kinds (korean, latin, raw, fixed, bits, doc, money, real_, day, at, stamp, span, choice, many,"
        f" year_, place, flag, hidden) VALUES ('안녕하세요 🧱⚽👩‍👩‍👧', 'é', {every_byte}, 0x00010203, b'10101010101',"
        " '{\"키\": [1, null, \"\\\\n\"]}', -12345678901234567890.0123456789, 0.1, '9999-12-31', '2024-02-29 23:59:59.999999',"
        " '2038-01-19 03:14:07.999', '-838:59:58.99', '아니오', 'a,c', 2155, POINT(1.5, -2), 1, NULL)",
        "INSERT INTO kinds (korean, raw, fixed) VALUES (NULL, NULL, NULL)",
        "INSERT INTO kinds (korean, raw, fixed, flag) VALUES ('', '', '', 0), ('\\0\\r\\n\\Z\\\\%_''\"`', '\\0', 'x', 1)",
    )


TABLES = (
    "a_child", "z_parent", "`이상한 ``table-1`", "kinds", "parted", "kept FOR SYSTEM_TIME ALL", "nothing_in_it",
    "squeezed", "a_view", "a_view_of_a_view",
)  # fmt: skip


def contents(job: Any, database: str) -> dict[str, list[tuple[Any, ...]]]:
    def read(table: str) -> list[tuple[Any, ...]]:
        columns = (
            "*, hidden" if table == "kinds" else "*, ROW_START, ROW_END" if table.startswith("kept") else "*"
        )
        return sorted(job.server.run(f"SELECT {columns} FROM {table}", database=database), key=repr)

    return {table: read(table) for table in TABLES}


def restore_elsewhere(job: Any, manifest: Manifest) -> str:
    """Load the stored file into a new database, as the runbook says."""
    packed = job.store().get(manifest.name)
    assert hashlib.sha256(packed).hexdigest() == manifest.sha256
    assert len(packed) == manifest.bytes
    copy = f"{job.database}_copy"
    job.server.run(f"CREATE DATABASE {copy} CHARACTER SET {manifest.charset} COLLATE {manifest.collation}")
    job.server.load(gzip.decompress(packed), copy)
    return copy


def test_everything_comes_back(job: Any) -> None:
    fill(job)
    code, output = job.run()
    assert code == 0, output
    [entry] = catalogue.entries(job.store())
    assert f"backup: OK {entry.name}" in output
    manifest = entry.manifest
    assert manifest is not None
    assert manifest.verified
    assert manifest.database == job.database
    assert manifest.tables["a_child"].rows == 200
    assert {kind: len(names) for kind, names in manifest.objects.items()} == {
        "view": 2, "sequence": 1, "trigger": 1, "routine": 2, "event": 1,
    }  # fmt: skip
    assert catalogue.newest_verified(job.store()) == manifest
    catalogue.check_stored(job.store(), manifest)
    assert job.leftovers() == []

    copy = restore_elsewhere(job, manifest)
    try:
        assert contents(job, copy) == contents(job, job.database)
        run = job.server.run
        assert run("SELECT 두배(21)", database=copy) == [(42,)]
        assert run("CALL add_note(3, 'x')", "SELECT note FROM a_child WHERE id = 300", database=copy) == [
            ("✓x",)
        ]
        body = "SELECT ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_NAME='add_note' AND ROUTINE_SCHEMA="
        assert run(f"{body}'{copy}'") == run(f"{body}'{job.database}'")
        assert run("SELECT NEXTVAL(numbers) > 5", database=copy) == [(1,)]
        assert run("SHOW EVENTS", database=copy)[0][1] == "tidy"
    finally:
        job.server.run(f"DROP DATABASE {copy}")


def test_an_empty_database_is_a_backup_too(job: Any) -> None:
    code, output = job.run()
    assert code == 0, output
    [entry] = catalogue.entries(job.store())
    assert entry.manifest is not None
    assert (entry.manifest.tables, entry.manifest.objects) == ({}, {})


def test_no_secret_is_printed(job: Any, s3: Any) -> None:
    code, output = job.run()
    assert code == 0
    assert 'p"w' not in output
    assert s3.secret_key not in output


def test_list_shows_what_is_there(job: Any) -> None:
    assert "No backups" in job.run("list")[1]
    assert job.run()[0] == 0
    code, output = job.run("list")
    assert code == 0
    [line] = output.splitlines()
    assert line.startswith("filewallball_backup_")
    assert line.endswith("verified")
