"""Each step that fails: the job says which and why, ends with 1, leaves nothing in the store or on disk."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from filewallball.backup import job as backup_job
from filewallball.backup import program, restore, snapshot, zones
from filewallball.backup.store import Store, StoreError
from filewallball.backup.workdir import WorkDir
from filewallball.errors import UserError
from filewallball.jobs.stopping import Signalled, Stopped


@pytest.fixture
def filled(job: Any) -> Any:
    job.sql("CREATE TABLE files (id INT PRIMARY KEY, name VARCHAR(100))")
    job.sql("INSERT INTO files SELECT seq, CONCAT('파일 ', seq) FROM seq_1_to_1000")
    job.sql("CREATE TABLE users (id INT PRIMARY KEY)", "INSERT INTO users VALUES (1), (2)")
    job.sql("CREATE TRIGGER touch BEFORE INSERT ON files FOR EACH ROW SET NEW.name = TRIM(NEW.name)")
    return job


def assert_nothing_left(job: Any) -> None:
    assert job.objects() == []
    assert job.leftovers() == []


def fails_inside(job: Any, **changes: str) -> UserError:
    """The error of a run in this process, whose settings or parts a test has changed."""
    with pytest.raises(UserError) as caught:
        backup_job.run(job.settings(**changes), backup_job.Log(lambda _: None))
    assert_nothing_left(job)
    return caught.value


def test_a_wrong_password(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("wrong")
    code, output = filled.run(FWB_DB_PASSWORD_FILE=str(tmp_path / "other"))
    assert code == 1, output
    assert "Traceback" not in output
    assert_nothing_left(filled)
    assert "FAILED preflight" in output
    assert "The password is wrong" in output


def test_the_server_is_down(filled: Any) -> None:
    error = fails_inside(filled, FWB_DB_PORT="1")
    assert error.message.startswith("preflight: ")
    assert "does not answer" in error.hint


@pytest.mark.parametrize(
    ("revoked", "named"),
    [
        ("TRIGGER ON {database}.*", "TRIGGER ON `{database}`.*"),
        ("RELOAD ON *.*", "RELOAD ON *.*"),
        ("SELECT ON mysql.proc", "SELECT ON mysql.proc"),
    ],
)
def test_a_missing_right_is_named_before_anything_is_silently_left_out(
    filled: Any, revoked: str, named: str
) -> None:
    filled.sql(f"REVOKE {revoked.format(database=filled.database)} FROM {filled.user}")
    error = fails_inside(filled)
    assert f"lacks {named.format(database=filled.database)}" in error.message


def test_tables_that_must_be_locked_and_a_user_that_may_not(filled: Any) -> None:
    filled.sql("CREATE TABLE old (id INT) ENGINE=MyISAM")
    filled.sql(f"REVOKE LOCK TABLES ON {filled.database}.* FROM {filled.user}")
    assert f"lacks LOCK TABLES ON `{filled.database}`.*" in fails_inside(filled).message


def test_the_store_is_down(filled: Any) -> None:
    error = fails_inside(filled, FWB_STORE_ENDPOINT="http://127.0.0.1:1")
    assert error.message.startswith("preflight: Cannot list")


def test_a_wrong_key(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("wrong")
    assert "The secret key is wrong" in str(
        fails_inside(filled, FWB_STORE_SECRET_KEY_FILE=str(tmp_path / "other"))
    )


def test_no_such_bucket(filled: Any) -> None:
    assert "Create the bucket" in str(fails_inside(filled, FWB_STORE_BUCKET="elsewhere"))


def change_restore(
    monkeypatch: pytest.MonkeyPatch, before: Callable[[Path], None] | None = None, after: tuple[str, ...] = ()
) -> None:
    """Change the dump before it is restored, or the copy after it."""
    load = restore.Throwaway.load

    def changed(self: Any, dump: Path, server: Any, database: str, progress: Any) -> tuple[str, ...]:
        if before is not None:
            before(dump)
        told = load(self, dump, server, database, progress)
        with self.connect() as connection:
            cursor = connection.cursor()
            for statement in (f"USE {database}", *after):
                cursor.execute(statement)
        return told

    monkeypatch.setattr(restore.Throwaway, "load", changed)


def test_a_flipped_bit_in_the_dump(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def flip(dump: Path) -> None:
        data = bytearray(dump.read_bytes())
        data[len(data) // 2] ^= 4
        dump.write_bytes(data)

    change_restore(monkeypatch, before=flip)
    assert fails_inside(filled).message.startswith("restore: ")


def test_time_zones_that_cannot_be_copied(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "command", lambda _: ["sh", "-c", "echo the link broke >&2; exit 3"])
    message = fails_inside(filled).message
    assert message == "restore: Copying the server's time zones failed: the link broke"


def test_a_dump_that_is_cut_off(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    change_restore(monkeypatch, before=lambda dump: os.truncate(dump, dump.stat().st_size - 100))
    assert "cut off" in fails_inside(filled).message


def test_whatever_differs_in_the_copy_is_named(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    change_restore(
        monkeypatch,
        after=(
            "DELETE FROM users WHERE id = 2",
            "UPDATE files SET name = '다른' WHERE id = 7",
            "DROP TRIGGER touch",
        ),
    )
    message = fails_inside(filled).message
    assert "table users: 1 rows restored, 2 in the snapshot" in message
    assert "table files: the checksum of its 1000 rows differs" in message
    assert "trigger touch is missing" in message


def test_a_work_volume_that_is_known_to_be_too_small(filled: Any) -> None:
    error = fails_inside(filled, FWB_WORK_SIZE="20Mi")
    assert error.message.startswith("preflight: The work directory")
    assert "workSize" in str(error)


@contextmanager
def small_disk(job: Any, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", job.work], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", job.work], check=True)


@pytest.mark.usefixtures("install_anew")
@pytest.mark.parametrize(("size", "step"), [("16k", "dump"), ("8m", "restore")])
def test_a_disk_that_fills_up(filled: Any, monkeypatch: pytest.MonkeyPatch, size: str, step: str) -> None:
    monkeypatch.setattr(WorkDir, "need", lambda *_: None)  # the estimate was wrong
    filled.sql("UPDATE files SET name = CONCAT(name, SHA2(id, 256))")
    with small_disk(filled, size):
        error = fails_inside(filled)
    assert error.message.startswith(f"{step}: The work directory")
    assert "too small" in error.message


@pytest.mark.usefixtures("unproven")
def test_an_upload_that_arrives_damaged(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put_file = Store.put_file

    def damaged(self: Store, path: Path, key: str) -> None:
        path.write_bytes(path.read_bytes()[:-1])
        put_file(self, path, key)

    monkeypatch.setattr(Store, "put_file", damaged)
    assert "upload: " in (message := fails_inside(filled).message)
    assert "damaged in the store" in message


@pytest.mark.usefixtures("unproven")
def test_a_stop_between_dump_and_manifest(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Store.put

    def stopped(self: Store, data: bytes, key: str) -> None:
        if key.endswith(".json"):
            raise Signalled(Stopped("stopped"))
        put(self, data, key)

    monkeypatch.setattr(Store, "put", stopped)
    fails_inside(filled)


def read_until(process: subprocess.Popen[str], sign: str) -> None:
    assert process.stdout is not None
    while sign not in (line := process.stdout.readline()):
        assert line, f"ended with {process.wait()} before {sign!r}"


def processes_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in `folder`."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in line:
                    found.append(line)
    return found


def test_a_deadline(filled: Any) -> None:
    process = filled.start()
    read_until(process, "dump: ")
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "Stopped by SIGTERM" in output
    assert processes_in(filled.work) == []
    assert_nothing_left(filled)


def test_a_dump_that_is_killed_half_way(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = program.Program.pieces

    def cut(self: Any) -> Iterator[bytes]:
        self.kill()
        yield from pieces(self)

    monkeypatch.setattr(program.Program, "pieces", cut)
    monkeypatch.setattr(program, "_PIPE", 4096)  # or it might be through by then
    assert fails_inside(filled).message.startswith("dump: mariadb-dump ended with -9")
    monkeypatch.undo()
    filled.back_up()
    assert len(filled.objects()) == 2


def test_a_database_that_restarts_during_the_dump(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the backup a restart is the end of all its sessions, and of all locks that they held."""
    filled.sql("CREATE TABLE old (id INT) ENGINE=MyISAM", "INSERT INTO old VALUES (1)")
    go_on = snapshot.Dump.go_on

    def restarted(self: Any, connection: Any) -> None:
        filled.server.run(f"KILL USER {filled.user}")
        go_on(self, connection)

    monkeypatch.setattr(snapshot.Dump, "go_on", restarted)
    error = fails_inside(filled)
    assert error.message.startswith("dump: ")
    assert "kubectl" in error.hint
    monkeypatch.undo()
    filled.back_up()
    assert len(filled.objects()) == 2


def test_a_node_that_dies(filled: Any) -> None:
    process = filled.start()
    read_until(process, "dump: ")
    filled.kill(process)
    assert filled.objects() == []
    # What it left is in the way of nobody.
    assert filled.run()[0] == 0
    assert len(filled.objects()) == 2
    assert filled.leftovers() == []


def test_two_at_once_in_one_directory(filled: Any) -> None:
    first = filled.start()
    read_until(first, "preflight: ")
    code, output = filled.run()
    assert (code, "Another run is at work" in output) == (1, True)
    first.communicate(timeout=60)
    assert first.returncode == 0


@pytest.mark.usefixtures("unproven")
def test_a_store_that_goes_away_during_the_upload(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong first is told, not that the cleaning up went wrong as well."""

    def gone(self: Store, path: Path, key: str) -> None:
        raise StoreError(f"Cannot upload {key}")

    def gone_too(self: Store, key: str) -> bool:
        raise StoreError(f"Cannot look for {key}")

    monkeypatch.setattr(Store, "put_file", gone)
    monkeypatch.setattr(Store, "exists", gone_too)
    assert fails_inside(filled).message.startswith("upload: Cannot upload filewallball_backup_")


def test_a_work_directory_that_may_not_be_written(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "work" / ".filewallball-backup.lock").mkdir()
    code, output = filled.run()
    assert (code, "See that the pod's volume `work`" in output, "Traceback" in output) == (1, True, False)


def test_an_image_without_mariadb_dump(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "command", lambda *_: ["mariadb-dump-is-gone"])
    assert "dump: [Errno 2]" in fails_inside(filled).message
