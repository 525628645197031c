"""What is backed up comes back the same: checked by loading the stored file with the ordinary client."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

from filewallball.backup import catalogue
from filewallball.backup.manifest import Manifest

EVERYTHING = Path(__file__).with_name("everything.sql")
# Lines end in CR LF, and a comment has what clients take for an end.
PROCEDURE = (
    "CREATE PROCEDURE add_note(IN who INT, IN what TEXT)\r\nBEGIN\r\n  -- 주석 ';;'\r\n"
    "  INSERT INTO a_child VALUES (who * 100, who, what);\r\nEND"
)


TABLES = (
    *("a_child", "z_parent", "`이상한 ``table-1`", "kinds", "parted", "kept FOR SYSTEM_TIME ALL"),
    *("nothing_in_it", "squeezed", "a_view", "a_view_of_a_view"),
)


def contents(job: Any, database: str) -> dict[str, list[tuple[Any, ...]]]:
    def read(table: str) -> list[tuple[Any, ...]]:
        columns = (
            "*, hidden" if table == "kinds" else "*, ROW_START, ROW_END" if table.startswith("kept") else "*"
        )
        rows = job.server.run(f"SELECT {columns} FROM {table}", database=database)  # noqa: S608
        return sorted(rows, key=repr)

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


def test_everything_comes_back(job: Any, s3: Any) -> None:
    assert "No backups" in job.run("list")[1]
    job.server.load(EVERYTHING.read_bytes(), job.database)
    job.sql(PROCEDURE)
    code, output = job.run()
    assert code == 0, output
    [entry] = catalogue.entries(job.store())
    assert f"backup: OK {entry.name}" in output
    for secret in ('p"w', s3.secret_key):
        assert secret not in output
    code, output = job.run("list")
    assert code == 0
    [line] = output.splitlines()
    assert line.startswith(entry.name)
    assert line.endswith("verified")
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
        body = "SELECT body FROM mysql.proc WHERE name = 'add_note' AND db = "
        assert run(f"{body}'{copy}'") == run(f"{body}'{job.database}'")
        assert run("SELECT NEXTVAL(numbers) > 5", database=copy) == [(1,)]
        assert run("SHOW EVENTS", database=copy)[0][1] == "tidy"
    finally:
        job.server.run(f"DROP DATABASE {copy}")


def test_an_empty_database_is_a_backup_too_made_deeper_than_a_socket_may_lie(job: Any) -> None:
    deep = job.work / ("deep" * 20) / ("er" * 20)
    deep.mkdir(parents=True)
    code, output = job.run(FWB_WORK_DIR=str(deep))
    assert code == 0, output
    [entry] = catalogue.entries(job.store())
    assert entry.manifest is not None
    assert (entry.manifest.tables, entry.manifest.objects) == ({}, {})
