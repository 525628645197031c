"""The verdicts: text that the server writes anew is the same, and what isn't the same is told and kept."""

# ruff: noqa: S608 (the names are made here)

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_failures import change_restore
from test_round_trip import restore_elsewhere

from filewallball.backup import catalogue
from filewallball.backup import job as backup_job
from filewallball.backup.verdict import told

FILM = (
    "CREATE TABLE film (id INT PRIMARY KEY, title VARCHAR(50), old VARCHAR(20) CHARACTER SET latin1,"
    " made TIMESTAMP DEFAULT '2001-01-01 00:00:00',"
    " note VARCHAR(30) DEFAULT (concat(_latin1'n',_utf8mb3'x')),"
    " shown VARCHAR(90) AS (concat(title, _utf8mb3' ', _latin1'x')) VIRTUAL, CHECK (title <> _latin1'y'))",
    "INSERT INTO film (id, title, old) VALUES (1, 'a', 'é'), (2, '한', 'ÿ')",
)
VIEWS = {
    "utf8mb4": "SELECT concat(title, _utf8' ', id, _latin1 0xe9) AS t, {text} AS u, if(id, _utf8'active',"
    " _utf8'') AS v, (SELECT group_concat(concat(title, _utf8' ', old)"
    " SEPARATOR ', ') FROM film) AS w FROM film",
    "utf8mb3": "SELECT concat(title, ' ', {text}) AS t FROM film WHERE old = {text}",
    "latin1": "SELECT concat(title, {text}) AS t, {text} AS u, _utf8mb4 0xed959c AS v FROM film"
    " WHERE title > {text}",
    "euckr": "SELECT {text} AS t, if(old = 'a', _latin1'b', {text}) AS u, group_concat(title, {text})"
    " FROM film",
    "binary": "SELECT concat(title, _utf8mb4 0xc3a9) AS t, 'a' AS u FROM film",
}
TEXTS = {"euckr": "한", "binary": ""}


def make_views(job: Any, *, replace: str = "") -> None:
    connection = job.server.connect(job.database)
    try:
        for charset, sql in VIEWS.items():
            connection.query(f"SET NAMES {charset}")
            text = f"'{TEXTS.get(charset, 'é')}'"
            codec = {"latin1": "cp1252", "euckr": "euc_kr"}.get(charset, "utf8")
            for name, body in ((f"in_{charset}", sql), (f"on_{charset}", f"SELECT * FROM in_{charset}")):
                connection.query(f"CREATE {replace} VIEW {name} AS {body.format(text=text)}".encode(codec))
    finally:
        connection.close()


def contents(job: Any, database: str) -> list[Any]:
    return [job.server.run(f"SELECT * FROM in_{each} ORDER BY 1", database=database) for each in VIEWS]


def test_text_in_other_character_sets_is_the_same(job: Any) -> None:
    job.sql(*FILM)
    make_views(job)
    code, output = job.run()
    assert code == 0, output
    assert "backup: OK" in output, output
    manifest = catalogue.newest_verified(job.store())
    assert manifest is not None
    copy = restore_elsewhere(job, manifest)
    try:
        assert contents(job, copy) == contents(job, job.database)
    finally:
        job.server.run(f"DROP DATABASE {copy}")


def test_what_differs_is_told_and_the_rest_is_kept(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    job.sql(*FILM, "CREATE VIEW titles AS SELECT title FROM film")
    job.sql("CREATE TRIGGER touch BEFORE INSERT ON film FOR EACH ROW SET NEW.title = TRIM(NEW.title)")
    job.back_up()
    first = catalogue.newest_verified(job.store())
    changes = (
        "UPDATE film SET title = 'A' WHERE id = 1",
        "ALTER TABLE film ADD INDEX (old)",
        "DROP TRIGGER touch",
        "CREATE OR REPLACE VIEW titles AS SELECT old FROM film",
    )
    change_restore(monkeypatch, after=changes)
    said: list[str] = []
    manifest = backup_job.run(job.settings(), backup_job.Log(said.append), job.store())
    monkeypatch.undo()
    assert (manifest.verdict, manifest.verified) == ("differs", False)
    assert len(manifest.differences) == len(changes)
    last = told(manifest)
    assert last.startswith(f"backup: WARNING {manifest.name} ")
    for what in (
        "table film: the checksum",
        "table film: its definition",
        "trigger touch is",
        "view titles:",
    ):
        assert f"\n  - {what}" in last
    assert catalogue.newest_verified(job.store()) == first
    newest = catalogue.newest(job.store())
    assert newest is not None
    assert (newest.name, newest.differences) == (manifest.name, manifest.differences)
    code, output = job.run("list")
    assert code == 0, output
    newer, older = output.splitlines()
    assert newer.startswith(manifest.name)
    assert "restored, but differs: table film, trigger touch, view titles" in newer
    assert older.endswith("verified")


def test_prune_in_the_store(job: Any) -> None:
    """Whatever is old goes, but for the newest verified one; what isn't known stays."""
    store = job.store()
    job.back_up(allow_empty=True)
    newest = catalogue.newest(store)
    assert newest is not None
    dump = store.get(newest.name)
    names = [f"filewallball_backup_2026010{day}_000000.sql.gz" for day in range(1, 4)]
    for name in names:
        time = catalogue.NAMING.time(name)
        assert time is not None
        store.put(dump, name)
        store.put(replace(newest, name=name, created=time).to_json(), f"{name}.manifest.json")
    store.put(b"x", "filewallball_backup_20260104_000000.sql.gz")
    store.put(b"x", "filewallball_backup_notes")
    code, output = job.run("prune", "--dry-run")
    assert (code, output.count("would be removed"), len(job.objects())) == (0, 3, 10), output
    code, output = job.run("prune")
    assert code == 0, output
    assert output.splitlines() == [f"{name}  removed" for name in names]
    assert job.objects() == sorted(
        ["filewallball_backup_20260104_000000.sql.gz", "filewallball_backup_notes", newest.name,
         f"{newest.name}.manifest.json"]
    )  # fmt: skip
    code, output = job.run("prune", FWB_BACKUP_KEEP_DAYS="0")
    assert (code, "filewallball:backup.keepDays" in output) == (2, True), output
