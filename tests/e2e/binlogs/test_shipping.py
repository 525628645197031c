"""What the shipper puts into the store is the server's log, byte for byte, whatever happens."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from log_lab import DATABASE, USER, Lab
from shipped_log import as_served, as_stored, assert_shipped, marks, pieces, rows

from filewallball.backup.store import StoreError
from filewallball.binlogs import catalogue, names
from filewallball.binlogs.prune import prune
from filewallball.errors import UserError


def test_the_pieces_are_the_files(shipped: Lab) -> None:
    shipped.server.run("FLUSH BINARY LOGS")
    rows(shipped, 10, 50, 5000)
    shipped.shipper.turn()
    shipped.server.run("FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
    rows(shipped, 100, 3)
    shipped.shipper.turn()
    assert_shipped(shipped)
    assert sum(piece.last for piece in pieces(shipped)) == len(as_served(shipped)) - 1


def test_a_new_shipper_goes_on_where_the_store_ends(shipped: Lab) -> None:
    rows(shipped, 10, 3)
    shipped.new_shipper().turn()
    shipped.server.run("FLUSH BINARY LOGS")
    shipped.new_shipper().turn()
    rows(shipped, 20, 3)
    shipped.shipper = shipped.new_shipper()
    assert_shipped(shipped)
    assert {piece.timeline for piece in pieces(shipped)} == {1}


def test_a_restart_of_the_server_is_no_gap(shipped: Lab) -> None:
    for kill in (False, True):
        shipped.server.stop(kill=kill)
        with pytest.raises(UserError, match="failed"):
            shipped.shipper.turn()
        shipped.server.start()
        rows(shipped, 10 + 10 * kill, 3)
        shipped.shipper.turn()
    assert_shipped(shipped)
    assert {piece.timeline for piece in pieces(shipped)} == {1}


def test_on_a_quiet_server_the_store_knows_up_to_when(shipped: Lab) -> None:
    before = len(shipped.keys())
    for _ in range(2):
        now = time.time()
        while shipped.shipper.turn().time < now:  # the next second
            time.sleep(0.1)
    (mark,) = marks(shipped)
    assert mark.time >= int(now)
    assert len(shipped.keys()) == before + 1
    (timeline,) = catalogue.timelines(shipped.logs)
    assert timeline.latest == mark


def test_a_large_row_is_shipped(shipped: Lab) -> None:
    shipped.server.run("SET GLOBAL max_allowed_packet = 64 * 1024 * 1024")
    rows(shipped, 10, 1, 20 * 2**20)
    shipped.shipper.turn()
    assert_shipped(shipped)


@pytest.mark.parametrize("arrives", [False, True], ids=["refused", "answer lost"])
def test_an_upload_that_fails_is_made_up_for(
    shipped: Lab, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    put_file = shipped.logs.put_file
    fails = iter([True, True, False, True, False])

    def put(path: Path, key: str) -> None:
        failing = next(fails, False)
        if arrives or not failing:
            put_file(path, key)
        if failing:
            raise StoreError("The store does not answer.")

    monkeypatch.setattr(shipped.logs, "put_file", put)
    for number in range(6):
        rows(shipped, 100 * number + 10, 2)
        if number % 2:
            shipped.server.run("FLUSH BINARY LOGS")
        with suppress(StoreError):
            shipped.shipper.turn()
    shipped.shipper.turn()
    assert_shipped(shipped)
    assert {piece.timeline for piece in pieces(shipped)} == {1}


def test_as_a_program_it_ships_until_it_is_stopped(shipped: Lab, tmp_path: Path) -> None:
    shipped.shipper.close()
    work, settings = tmp_path / "pod", shipped.store.settings
    work.mkdir()
    secrets = {"db": "p", "access": settings.access_key, "secret": settings.secret_key}
    for name, value in secrets.items():
        (tmp_path / name).write_text(f"{value}\n")
    environment = {
        "FWB_DB_HOST": "127.0.0.1",
        "FWB_DB_PORT": str(shipped.server.port),
        "FWB_DB_NAME": DATABASE,
        "FWB_DB_USER": USER,
        "FWB_DB_PASSWORD_FILE": str(tmp_path / "db"),
        "FWB_STORE_BUCKET": settings.bucket,
        "FWB_STORE_PREFIX": settings.prefix,
        "FWB_STORE_ENDPOINT": str(settings.endpoint),
        "FWB_STORE_REGION": "us-east-1",
        "FWB_STORE_ACCESS_KEY_FILE": str(tmp_path / "access"),
        "FWB_STORE_SECRET_KEY_FILE": str(tmp_path / "secret"),
        "FWB_WORK_DIR": str(work),
        "FWB_BINLOGS_EVERY_SECONDS": "1",
    }
    call = [sys.executable, "-m", "filewallball.binlogs", "ship"]
    program = subprocess.Popen(
        call, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        rows(shipped, 10, 3)
        deadline = time.monotonic() + 60
        while as_stored(shipped) != as_served(shipped):
            assert time.monotonic() < deadline
            assert program.poll() is None
            time.sleep(0.1)
        # Another password: the next connection takes it from the file.
        shipped.server.run("SET sql_log_bin = 0", f"ALTER USER {USER} IDENTIFIED BY 'q'")
        (tmp_path / "db").write_text("q\n")
        shipped.server.stop()
        shipped.server.start()
        rows(shipped, 20, 3)
        while as_stored(shipped) != as_served(shipped):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        program.terminate()
        said, _ = program.communicate(timeout=30)
    finally:
        program.kill()
        program.wait()
        shipped.server.run("SET sql_log_bin = 0", f"ALTER USER {USER} IDENTIFIED BY 'p'")
    assert program.returncode == 0
    assert "Traceback" not in said
    assert "It works again" in said or "FAILED" not in said


def test_what_is_wrong_with_the_environment_is_told_at_once() -> None:
    call = [sys.executable, "-m", "filewallball.binlogs", "ship"]
    done = subprocess.run(
        call, env={"PATH": "", "FWB_BINLOGS_EVERY_SECONDS": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "FWB_BINLOGS_EVERY_SECONDS: '0' is not a number of seconds from 1 to 60" in done.stderr
    assert "FWB_DB_HOST: not set" in done.stderr


def test_what_no_backup_needs_is_removed_and_nothing_else(shipped: Lab) -> None:
    shipped.store.put(b"mine", "binlogs/000001/notes.txt")
    shipped.server.run("FLUSH BINARY LOGS")
    rows(shipped, 10, 3)
    shipped.shipper.turn()
    shipped.server.run("FLUSH BINARY LOGS")
    shipped.shipper.turn()
    every = shipped.keys()
    assert prune(shipped.store, shipped.said.append) == 0  # there is no backup
    shipped.back_up(time.time())
    assert prune(shipped.store, shipped.said.append) == 0  # not yet old enough
    for item in list(shipped.store.list()):
        if item.key.startswith("filewallball_backup_"):
            shipped.store.delete(item.key)
    shipped.back_up(time.time() + 7200)
    removed = prune(shipped.store, shipped.said.append)
    assert removed
    left = shipped.keys()
    gone = [names.read(key) for key in set(every) - set(left)]
    assert {each.file.name for each in gone if isinstance(each, names.Piece | names.Mark)} == {
        "binlog.000001",
        "binlog.000002",
    }
    assert "000001/notes.txt" in left
    rows(shipped, 20, 3)
    shipped.new_shipper().turn()
    assert {piece.file.name for piece in pieces(shipped)} == {"binlog.000003"}
