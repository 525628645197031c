"""Faults as they happen, with real processes: a server that dies, jobs that meet, a clock set back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from restore_lab import Lab, running
from s3_gateway import S3

from filewallball.backup import catalogue, snapshot
from filewallball.backup.names import backup_time
from filewallball.errors import UserError

pytestmark = pytest.mark.nightly
CLOCK = Path(__file__).with_name("at_clock.py")


@pytest.fixture(scope="module")
def lab(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("f"), s3) as found:
        found.admin(
            "CREATE TABLE files (id INT PRIMARY KEY, name TEXT)",
            "INSERT INTO files SELECT seq, SHA2(seq, 512) FROM seq_1_to_20000",
            "CREATE TABLE old (id INT) ENGINE=MyISAM",
            "INSERT INTO old VALUES (1)",
        )
        yield found


def names(lab: Lab) -> list[str]:
    return [entry.name for entry in catalogue.entries(lab.store())]


def start(lab: Lab, tmp_path: Path, *words: str) -> subprocess.Popen[str]:
    """A backup's pod of its own: another work directory than that of the others."""
    work = tmp_path / f"work{len(list(tmp_path.iterdir()))}"
    work.mkdir()
    return subprocess.Popen(
        [sys.executable, *(words or ["-m", "filewallball.backup", "run"])],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **lab.environment, "FWB_WORK_DIR": str(work)},
    )  # fmt: skip


def said(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    return output


def check_all(lab: Lab) -> None:
    """All that is in the store is whole, and nothing else is there."""
    entries = catalogue.entries(lab.store())
    assert [entry.problem for entry in entries if entry.problem] == []
    for entry in entries:
        assert entry.manifest
        catalogue.check_stored(lab.store(), entry.manifest)
    files = {path.name for path in lab.bucket.iterdir() if path.name.startswith("filewallball_backup_")}
    assert files == {f"{entry.name}{end}" for entry in entries for end in ("", ".manifest.json")}


@pytest.mark.parametrize("at", ["before the rows", "among the rows"])
def test_the_server_dies_during_a_dump(lab: Lab, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = names(lab)
    place = "go_on" if at == "before the rows" else "wait_unlocked"
    real = getattr(snapshot.Dump, place)

    def dies(self: Any, *arguments: Any) -> None:
        monkeypatch.undo()
        lab.database.crash()
        real(self, *arguments)

    monkeypatch.setattr(snapshot.Dump, place, dies)
    with pytest.raises(UserError) as raised:
        lab.back_up()
    assert raised.value.message.startswith("dump: ")
    assert "kubectl" in raised.value.hint
    assert names(lab) == before
    assert lab.leftovers() == []
    assert lab.back_up() in names(lab)
    check_all(lab)


def test_two_backups_at_once(lab: Lab, tmp_path: Path) -> None:
    before = names(lab)
    both = [start(lab, tmp_path) for _ in range(2)]
    told = [said(process) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(names(lab)) == len(before) + 2
    check_all(lab)


def test_a_backup_during_a_restore(lab: Lab, tmp_path: Path) -> None:
    name = lab.back_up()
    lab.admin("DELETE FROM files")
    restore = lab.start("swap", "--name", name)
    assert restore.stdout
    for line in restore.stdout:
        if "hold:" in line:
            break
    backup = start(lab, tmp_path)
    rest = restore.stdout.read()
    assert restore.wait() == 0, rest
    told = said(backup)
    assert backup.returncode == 0 or ("FAILED" in told and "Traceback" not in told), told
    assert lab.app("SELECT COUNT(*) FROM files") == [(20000,)]
    lab.back_up()
    check_all(lab)
    assert lab.leftovers() == []


def test_a_second_restore(lab: Lab) -> None:
    name = lab.back_up()
    first = lab.start("swap", "--name", name)
    assert first.stdout
    for line in first.stdout:
        if "hold:" in line:
            break
    second = lab.start("swap", "--name", name)
    told, _ = second.communicate(timeout=60)
    assert (second.returncode, "Another restore is at work" in told) == (1, True), told
    rest = first.stdout.read()
    assert first.wait() == 0, rest
    check_all(lab)


def test_a_clock_that_was_set_back(lab: Lab, tmp_path: Path) -> None:
    first = lab.back_up()
    made = backup_time(first)
    assert made

    def at(moment: datetime) -> tuple[int, str]:
        """The job's exit code and what it said. MariaDB's programs and the store see the real clock."""
        process = start(lab, tmp_path, str(CLOCK), str(moment.timestamp()))
        told = said(process)
        return process.returncode, told

    before = {path.name: path.read_bytes() for path in lab.bucket.glob("filewallball_backup_*")}
    # To the second of the first backup, twice: that name is taken, and then the next one.
    for moment in (made, made, made - timedelta(minutes=10)):
        code, told = at(moment)
        assert code == 0, told
    now = names(lab)
    assert len(now) == len(before) // 2 + 3
    # Further off the store takes no requests: that is told, and nothing is lost.
    code, told = at(made - timedelta(days=3))
    assert (code, "clock" in told) == (1, True), told
    assert names(lab) == now
    for name, data in before.items():
        assert (lab.bucket / name).read_bytes() == data
    check_all(lab)
    verified = [json.loads((lab.bucket / f"{name}.manifest.json").read_text())["verified"] for name in now]
    assert verified == [True] * len(now)
