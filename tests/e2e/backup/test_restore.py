"""A backup takes the place of the database: what comes back, what stays, and what a fault leaves."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import restore_lab
from restore_cases import FILES, OTHERS, REFERS, ROWS, break_rows, damage, files, sealed
from restore_lab import NAME, Lab, running
from s3_gateway import S3

from filewallball.backup import job as backup_job
from filewallball.backup.shelf import Damaged
from filewallball.errors import ConfigError, UserError
from filewallball.jobs.joblog import Log
from filewallball.recovery import beside
from filewallball.recovery.choosing import Wanted


@pytest.fixture(scope="module")
def lab(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("r"), s3) as found:
        found.admin(*OTHERS, *ROWS, REFERS)
        yield found


@pytest.fixture(scope="module")
def backup(lab: Lab) -> str:
    """The name of a backup with FILES in it; what comes after it is to be lost again."""
    return lab.back_up()


@pytest.fixture
def unsaved(lab: Lab) -> Iterator[None]:
    """Where it isn't the point, neither the safety backup nor the one at the end is made."""
    with restore_lab.unsaved(lab):
        yield


def test_the_backup_comes_back_and_all_else_stays(lab: Lab, backup: str) -> None:
    before = set(lab.bucket.iterdir())
    break_rows(lab)
    lab.admin("DROP USER somebody@'10.%'", "DROP VIEW large")
    said = "\n".join(lab.restore())

    assert files(lab) == FILES
    assert lab.app("SHOW TABLES LIKE 'later'") == []
    lab.app("INSERT INTO files (name, size) VALUES ('c', 3)")  # writes are accepted, the trigger works
    assert lab.app("SELECT size FROM large") == [(6.0,)]
    assert lab.app("SELECT twice FROM called LIMIT 1") == [(2,)]
    assert lab.admin("SELECT EVENT_NAME FROM information_schema.EVENTS") == [("nightly",)]
    # others
    assert lab.admin("SELECT id FROM other.kept", "SHOW TABLES FROM filewallball_db_2") == [("kept",)]
    assert "GRANT SELECT ON `other`.*" in str(lab.admin("SHOW GRANTS FOR bob"))
    with pytest.raises(pymysql.IntegrityError):
        lab.admin("INSERT INTO other.refers VALUES (1, 99)")
    lab.wait_unhelped()
    # the owner that is gone was not made again, and is told
    assert lab.admin("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'somebody'") == [(0,)]
    assert "CREATE USER 'somebody'@'10.%'" in said
    # a safety backup under its own name, and one of what was restored, whose log can be replayed
    new = {path.name for path in set(lab.bucket.iterdir()) - before if path.name.endswith(".json")}
    made = [json.loads((lab.bucket / name).read_text()) for name in sorted(new)]
    assert [each.get("before_restore") for each in made] == [backup, ""]
    assert made[0]["tables"]["later"] == {**made[0]["tables"]["later"], "rows": 0}
    assert lab.leftovers() == []
    lab.admin("DELETE FROM files WHERE name = 'c'")
    # and the state of before is one restore away; it is never taken unasked
    assert f"fwb restore STACK -f {made[0]['name']}" in said
    with restore_lab.unsaved(lab):
        lab.restore(made[0]["name"])
    assert files(lab)[0][0] == "overwritten"


def test_reads_go_on_and_writes_and_a_second_restore_are_refused_while_it_works(
    lab: Lab, backup: str, unsaved: None
) -> None:
    seen: list[Any] = []

    def looking(line: str) -> None:
        if " hold: " in line:
            with pytest.raises(UserError, match="Another restore is at work"):
                lab.restore(backup)
        if " copy: " in line or " compare: " in line:
            seen.append(files(lab)[0][0])
            for server, statement in ((lab.app, "INSERT INTO files (name) VALUES ('lost')"),
                                      (lab.app, "CREATE TABLE lost (i INT)")):  # fmt: skip
                with pytest.raises(pymysql.OperationalError, match="read-only"):
                    server(statement)

    break_rows(lab)
    lab.restore(backup, hears=looking)
    assert seen == ["overwritten"] * 2
    assert files(lab) == FILES


@pytest.mark.parametrize("step", [
    pytest.param("download:", marks=pytest.mark.nightly),
    pytest.param("hold:", marks=pytest.mark.nightly),
    pytest.param("copy:", marks=pytest.mark.nightly),
    pytest.param("load:", marks=pytest.mark.nightly),
    pytest.param("take:", marks=pytest.mark.nightly),
    pytest.param("put back:", marks=pytest.mark.nightly),
    "compare:",
])  # fmt: skip
def test_killed_before_the_swap_the_old_data_is_served_and_the_next_one_succeeds(
    lab: Lab, backup: str, step: str, unsaved: None
) -> None:
    break_rows(lab)
    tables = ["--table", "log", "--table", "files"] if step in ("take:", "put back:") else []
    if tables:
        lab.admin("DROP TABLE IF EXISTS other.refers")
    lab.killed_after(step, "swap", "--name", backup, *tables)
    assert files(lab)[0][0] == "overwritten"
    lab.wait_writable()
    lab.app("UPDATE files SET size = 7 WHERE id = 1")
    lab.database.crash()
    assert lab.app("SELECT size FROM files WHERE id = 1") == [(7.0,)]
    lab.restore(backup)
    assert files(lab) == FILES
    assert lab.leftovers() == []


@pytest.mark.nightly
def test_killed_at_the_swap_it_is_one_or_the_other(lab: Lab, backup: str, unsaved: None) -> None:
    break_rows(lab)
    lab.killed_after("the server restarts", "swap", "--name", backup)
    lab.database.wait_served()
    lab.wait_writable()
    found = files(lab)
    assert found == FILES or found[0][0] == "overwritten"
    lab.restore(backup)
    assert files(lab) == FILES
    assert lab.leftovers() == []


def test_the_server_is_killed_meanwhile(lab: Lab, backup: str, unsaved: None) -> None:
    break_rows(lab)

    def crash(line: str) -> None:
        if " copy: " in line:
            lab.database.crash()

    with pytest.raises(UserError, match="restarted meanwhile") as raised:
        lab.restore(backup, hears=crash)
    assert "The old data is served" in raised.value.hint
    assert files(lab)[0][0] == "overwritten"
    lab.app("UPDATE files SET size = 8 WHERE id = 1")
    assert lab.leftovers() == []


def test_what_fails_leaves_the_old_data_and_writes(
    lab: Lab, backup: str, unsaved: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_rows(lab)
    monkeypatch.setattr(
        "filewallball.recovery.loading.differing", lambda *_: ["table files: 2 rows, 3 wanted"]
    )
    with pytest.raises(UserError, match="2 rows, 3 wanted") as raised:
        lab.restore(backup)
    assert "The old data is served as before." in raised.value.hint
    lab.app("UPDATE files SET size = 9 WHERE id = 1")
    assert lab.leftovers() == []


def test_told_to_end_it_cleans_up(lab: Lab, backup: str) -> None:
    break_rows(lab)
    process = lab.start("swap", "--name", backup)
    assert process.stdout
    for line in process.stdout:
        if "hold:" in line:
            process.send_signal(signal.SIGTERM)
            break
    rest = process.stdout.read()
    assert process.wait() == 1, rest
    assert "Stopped by SIGTERM" in rest
    lab.app("UPDATE files SET size = 9 WHERE id = 1")
    assert lab.leftovers() == []


def test_what_cannot_be_backed_up_is_kept_as_a_folder(
    lab: Lab, backup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_rows(lab)

    def refused(*_: Any, before_restore: str = "") -> None:
        if before_restore:
            raise UserError("a table is damaged")

    monkeypatch.setattr(backup_job, "run", refused)
    said = "\n".join(lab.restore(backup))
    [kept] = lab.leftovers()
    assert kept.startswith("data-before-restore-")
    assert kept in said
    assert "a table is damaged" in said
    assert (lab.database.volume / kept / NAME / "later.ibd").exists()
    # "Undo a restore" of docs/backup-recovery.md
    lab.database.stop()
    shutil.rmtree(lab.database.volume / "data")
    (lab.database.volume / kept).rename(lab.database.volume / "data")
    lab.database.start()
    assert files(lab)[0][0] == "overwritten"


@pytest.mark.nightly
def test_a_dropped_database_comes_back(lab: Lab, backup: str, unsaved: None) -> None:
    lab.admin("SET foreign_key_checks = 0", f"DROP DATABASE {NAME}", database="mysql")
    lab.restore(backup)
    assert files(lab) == FILES
    assert lab.leftovers() == []


@pytest.mark.parametrize(("how", "told"), [
    ("flipped", "damaged"),
    ("truncated", "damaged"),
    ("without a manifest", "has no manifest"),
    ("of another", "the manifest is about"),
    ("of another database", "is of the database elsewhere"),
    ("of another version", "was made by MariaDB 11.4, and the server is 10.11"),
    ("never tried", "nobody has restored it"),
])  # fmt: skip
def test_what_is_no_good_is_refused_before_anything_is_touched(
    lab: Lab, backup: str, how: str, told: str
) -> None:
    bad = damage(lab, backup, how)
    process_id = lab.admin("SELECT @@pid_file, @@hostname")
    try:
        with pytest.raises(Damaged, match=told) as raised:
            lab.restore(bad.name)
    finally:
        for path in lab.bucket.glob(f"{bad.name}*"):
            path.unlink()
    assert "fwb restore STACK -f filewallball_backup_2" in raised.value.hint
    assert bad.name not in raised.value.hint
    assert lab.admin("SELECT @@pid_file, @@hostname") == process_id
    assert lab.admin("SELECT @@read_only") == [(0,)]
    assert lab.leftovers() == []


def test_an_unknown_name_is_wrong_usage(lab: Lab, backup: str) -> None:
    with pytest.raises(ConfigError, match="There is no backup") as raised:
        lab.restore(backup.replace(".sql", "x.sql"))
    assert backup in raised.value.hint


def test_an_encrypted_one_needs_its_key(
    lab: Lab, backup: str, unsaved: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = sealed(lab, backup, tmp_path / "key")
    break_rows(lab)
    try:
        with pytest.raises(UserError, match="no private key was given"):
            lab.restore(name)
        assert files(lab)[0][0] == "overwritten"
        monkeypatch.setitem(lab.environment, "FWB_BACKUP_IDENTITY_FILE", str(tmp_path / "key"))
        lab.restore(name)
    finally:
        for path in lab.bucket.glob(f"{name}*"):
            path.unlink()
    assert files(lab) == FILES


def test_some_tables_are_put_back_and_all_else_stays(lab: Lab, backup: str, unsaved: None) -> None:
    with pytest.raises(ConfigError, match=r"in the database .* not named: log refers to files, oth"):
        lab.restore(backup, tables=("files",))
    lab.admin("DROP TABLE other.refers", "ALTER TABLE log DROP FOREIGN KEY log_ibfk_1")
    with pytest.raises(ConfigError, match=r"in the backup .*: log refers to files") as raised:
        lab.restore(backup, tables=("log",))
    assert "Name all of them: --tables files,log." in raised.value.hint

    break_rows(lab)
    lab.admin(
        "DROP TRIGGER bigger", "INSERT IGNORE INTO later VALUES (5)", "ALTER TABLE files ADD since DATE",
        "CREATE TRIGGER noted AFTER DELETE ON files FOR EACH ROW INSERT INTO later VALUES (6)",
        "CREATE OR REPLACE FUNCTION doubled(x INT) RETURNS INT RETURN 200 * x",
    )  # fmt: skip
    said = "\n".join(lab.restore(backup, tables=("log", "files")))
    assert "table files is made in another way today" in said
    assert files(lab) == FILES
    assert lab.app("SELECT * FROM log") == [(1, 1)]
    assert [row[0] for row in lab.admin("SHOW TRIGGERS")] == ["bigger"]
    with pytest.raises(pymysql.IntegrityError):
        lab.app("INSERT INTO log VALUES (2, 99)")
    # what was not named
    assert lab.app("SELECT * FROM later") == [(5,)]
    assert lab.app("SELECT doubled(1)") == [(200,)]
    assert lab.admin("SELECT id FROM other.kept") == [(7,)]
    assert lab.leftovers() == []
    lab.admin(
        "CREATE OR REPLACE FUNCTION doubled(x INT) RETURNS INT RETURN 2 * x", "DELETE FROM later", REFERS
    )


def into(lab: Lab, database: str, *tables: str, name: str | None = None) -> None:
    beside.run(lab.settings(), Log(lambda _: None), Wanted(name), database, tables)


def test_into_a_new_database(lab: Lab, backup: str) -> None:
    break_rows(lab)
    with pytest.raises(ConfigError, match="has a database of that name"):
        into(lab, "other", name=backup)
    with pytest.raises(ConfigError, match="no table nothing"):
        into(lab, "fresh", "nothing", name=backup)
    into(lab, "fresh", name=backup)
    assert lab.admin("SELECT name FROM fresh.files ORDER BY id") == [(name,) for name, _ in FILES]
    assert lab.admin("SELECT fresh.doubled(4)") == [(8,)]
    assert files(lab)[0][0] == "overwritten"
    into(lab, "partly", "log", name=backup)
    assert lab.admin("SHOW TABLES FROM partly") == [("log",)]
    assert lab.admin("SELECT id FROM partly.log") == [(1,)]
    lab.wait_unhelped()
    assert lab.leftovers() == []


def test_into_a_new_database_that_fails_is_removed(
    lab: Lab, backup: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filewallball.recovery.beside.differing", lambda *_: ["table files differs"])
    with pytest.raises(UserError, match="table files differs"):
        into(lab, "failed", name=backup)
    assert lab.admin("SHOW DATABASES LIKE 'failed'") == []
