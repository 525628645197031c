"""Tables whose definition the server shows and then refuses: their rows are in the backup, bit by bit."""

# ruff: noqa: S608 (the names are made here)

from __future__ import annotations

from typing import Any

from test_round_trip import restore_elsewhere

from filewallball.backup import job as backup_job

REFUSED = "VARCHAR(20) CHARACTER SET utf8mb3 DEFAULT (concat(_latin1'a',_utf8mb3'é'))"
"""In a table of UCS-2 the server shows this default in a way that it doesn't take."""
FIXED = REFUSED.replace("VARCHAR", "CHAR")
TABLES = {
    "plain": (f"a {FIXED}", ""),
    "dynamic": (f"a {FIXED}", "ROW_FORMAT=DYNAMIC"),
    "fixed": (f"a {REFUSED}", "ENGINE=MyISAM ROW_FORMAT=FIXED"),
    "aria": (f"a {FIXED}", "ENGINE=Aria"),
    "memory": (f"a {FIXED}", "ENGINE=MEMORY"),
    "numbers": (f"a {FIXED}, b FLOAT DEFAULT 0.1, c BIT(5) DEFAULT 3, d INET6, e UUID, f YEAR", ""),
    "unseen": (f"a {FIXED}, b CHAR(10) INVISIBLE DEFAULT 'b'", ""),
    "worked_out": (f"g INT AS (id + 1) VIRTUAL, a {REFUSED}, h INT AS (id + 2) STORED", ""),
    "stored": (f"h CHAR(9) AS (concat('h', id)) STORED, a {FIXED}", ""),
    "exact": (f"h FLOAT AS (id / 3) STORED, a {FIXED}, b FLOAT DEFAULT 0.1", ""),
    "versions": (
        f"s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, a {FIXED},"
        " e TIMESTAMP(6) GENERATED ALWAYS AS ROW END,"
        " h INT AS (id + 2) STORED, PERIOD FOR SYSTEM_TIME (s, e)",
        "WITH SYSTEM VERSIONING",
    ),
}


def test_rows_of_refused_definitions(job: Any) -> None:
    for name, (columns, options) in TABLES.items():
        charset = "DEFAULT CHARSET=ucs2"
        job.sql(f"CREATE TABLE {name} (id INT PRIMARY KEY, {columns}) {charset} {options}")
        job.sql(f"INSERT INTO {name} (id, a) VALUES (1, 'x'), (2, 'é'), (3, DEFAULT)")
    job.sql("UPDATE versions SET a = 'y' WHERE id = 1")
    manifest = backup_job.run(job.settings(), backup_job.Log(lambda _: None), job.store())
    only = [line for line in manifest.differences if "Only its columns and its rows are here" in line]
    assert [line.split(":")[0] for line in only] == [f"table {name}" for name in sorted(TABLES)]
    assert list(manifest.differences) == only
    copy = restore_elsewhere(job, manifest)
    try:
        for name in TABLES:
            rows = "FOR SYSTEM_TIME ALL ORDER BY id, s" if name == "versions" else "ORDER BY id"
            columns = {"worked_out": "id, a, h", "unseen": "id, a, b"}.get(name, "*")
            of = [
                job.server.run(f"SELECT {columns} FROM {name} {rows}", database=database)
                for database in (job.database, copy)
            ]
            assert of[0] == of[1]
            assert len(of[0]) == (4 if name == "versions" else 3)
    finally:
        job.server.run(f"DROP DATABASE {copy}")
