"""Backups that are packed and encrypted as the settings say, and what `verify` says of good and bad ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from filewallball.backup import catalogue, failures, leftovers, verify
from filewallball.backup import job as backup_job
from filewallball.backup.packed import Packing
from filewallball.backup.shelf import Damaged
from filewallball.errors import UserError

KEY, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
MINE, THEIRS = str(KEY.to_public()), str(OTHER.to_public())
TWO_DAYS = 2 * 24 * 3600


@pytest.fixture
def filled(job: Any) -> Any:
    job.sql("CREATE TABLE files (id INT PRIMARY KEY, name VARCHAR(100))")
    job.sql("INSERT INTO files SELECT seq, CONCAT('파일 ', seq) FROM seq_1_to_1000")
    return job


def back_up(job: Any, packing: Packing | None = None) -> str:
    """The name of a new backup, made in this process."""
    settings = replace(job.settings(), packing=packing or Packing())
    return backup_job.run(settings, backup_job.Log(lambda _: None)).name


def test_an_encrypted_backup_opens_with_age_and_nothing_else(filled: Any, tmp_path: Path) -> None:
    assert shutil.which("age"), "`make test` installs Debian's age"
    for name, key in (("key", KEY), ("other", OTHER)):
        (tmp_path / name).write_text(f"# a comment\n{key}\n")
    code, output = filled.run(FWB_BACKUP_COMPRESSION="zstd", FWB_BACKUP_RECIPIENTS=f"{MINE}\n")
    assert code == 0, output
    [entry] = catalogue.entries(filled.store())
    assert entry.name.endswith(".sql.zst.age")
    manifest = entry.manifest
    assert manifest is not None
    assert (manifest.verified, manifest.compression, manifest.recipients) == (True, "zstd", (MINE,))
    assert "Then it was encrypted" in manifest.proof
    stored = filled.bucket / "stack" / entry.name
    opened = subprocess.run(["age", "-d", "-i", tmp_path / "key", stored], capture_output=True, check=True)
    sql = subprocess.run(["zstd", "-dc"], input=opened.stdout, capture_output=True, check=True).stdout
    assert len(sql) == manifest.sql_bytes
    assert "파일 1000".encode() in sql

    verified = filled.run("verify")
    assert (verified[0], "--identity FILE would look inside" in verified[1]) == (0, True)
    verified = filled.run("verify", entry.name, FWB_BACKUP_IDENTITY_FILE=str(tmp_path / "key"))
    assert (verified[0], "unpacks to the whole dump" in verified[1]) == (0, True)
    code, output = filled.run("verify", FWB_BACKUP_IDENTITY_FILE=str(tmp_path / "other"))
    assert (code, "Traceback" in output) == (1, False)
    assert f"encrypted for {MINE}, and the key that was given is not one of theirs" in output
    code, output = filled.run("verify", FWB_BACKUP_IDENTITY_FILE=str(tmp_path / "db"))
    assert (code, "holds no private key of age" in output) == (2, True)


@pytest.mark.usefixtures("unproven")
def test_every_packing_is_listed_and_verified(filled: Any) -> None:
    packings = [Packing(), Packing("zstd"), Packing("gzip", (MINE, THEIRS)), Packing("zstd", (THEIRS,))]
    names = {back_up(filled, packing): packing for packing in packings}
    store = filled.store()
    assert {entry.name for entry in catalogue.entries(store)} == set(names)
    for name, packing in names.items():
        assert name.endswith(packing.suffix)
        found = verify.verify(store, filled.database, name, [OTHER] if packing.recipients else [], print)
        assert found.recipients == packing.recipients


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def of_another(path: Path) -> None:
    """The manifest is that of another backup."""
    about = path.with_name(path.name + ".manifest.json")
    about.write_text(about.read_text().replace(path.name, "filewallball_backup_20260101_000000.sql.gz"))


def of_another_database(path: Path) -> None:
    about = path.with_name(path.name + ".manifest.json")
    values = json.loads(about.read_text())
    about.write_text(json.dumps({**values, "database": "elsewhere"}))


def of_another_version(path: Path) -> None:
    about = path.with_name(path.name + ".manifest.json")
    values = json.loads(about.read_text())
    about.write_text(json.dumps({**values, "server_version": "11.4.2-MariaDB"}))


@pytest.mark.usefixtures("unproven")
def test_what_is_wrong_with_a_backup_is_told_and_the_newest_good_one_is_named(filled: Any) -> None:
    oldest, older, newest = back_up(filled), back_up(filled), back_up(filled)
    store, folder = filled.store(), filled.bucket / "stack"
    kept = {path: path.read_bytes() for path in folder.iterdir()}
    flip(folder / older)
    for damage, said in (
        (flip, "damaged in the store"),
        (lambda path: os.truncate(path, path.stat().st_size - 10), "the manifest is about"),
        (lambda path: path.with_name(path.name + ".manifest.json").unlink(), "its manifest is missing"),
        (lambda path: path.with_name(path.name + ".manifest.json").write_text("{}"), "cannot be read"),
        (of_another, "the manifest is about"),
        (of_another_database, "of the database elsewhere"),
        (of_another_version, "is from MariaDB 11.4"),
    ):
        damage(folder / newest)
        with pytest.raises((Damaged, verify.Unfit), match=said) as caught:
            verify.verify(store, filled.database, newest, [], lambda _: None)
        assert f"The newest good one is {oldest}." in caught.value.hint
        for path, data in kept.items():
            if path.name.startswith(newest):
                path.write_bytes(data)
    assert verify.verify(store, filled.database, newest, [], lambda _: None).name == newest
    with pytest.raises(UserError, match="There is no backup nothing"):
        verify.verify(store, filled.database, "nothing", [], lambda _: None)


def test_a_night_that_failed_is_listed_with_the_command_that_helps(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("wrong")
    assert filled.run(FWB_DB_PASSWORD_FILE=str(tmp_path / "other"))[0] == 1
    code, output = filled.run("list")
    assert code == 0
    assert "Failed runs of the last 7 days:" in output
    assert "FAILED preflight: " in output
    assert "The password is wrong" in output
    assert "`fwb backup now STACK`" in output
    # It is no backup, and goes when it has had its time.
    store = filled.store()
    assert catalogue.entries(store) == []
    failures.forget(store)
    assert len(list(failures.recent(store))) == 1
    [record] = (filled.bucket / "stack").glob("*.failed.json")
    age_by(record, 8 * 24 * 3600)
    failures.forget(store)
    assert list(store.list()) == []


def age_by(path: Path, seconds: int) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


@pytest.mark.usefixtures("unproven")
def test_leftovers_are_removed_by_the_next_run_once_nobody_can_be_at_work_on_them(filled: Any) -> None:
    store, client = filled.store(), filled.store()._client
    names = [f"filewallball_backup_2026010{day}_020000.sql.gz" for day in (1, 2, 3, 4)]
    for name in (*names[:2], "notes.txt", "filewallball_backup_mine.sql.gz"):
        store.put(b"x", name)
    for name in (names[0], "notes.txt", "filewallball_backup_mine.sql.gz"):
        age_by(filled.bucket / "stack" / name, TWO_DAYS)
    for name in names[2:]:
        client.create_multipart_upload(Bucket=filled.bucket.name, Key=f"stack/{name}")
    said: list[str] = []
    leftovers.sweep(store, said.append)
    assert said == [], "without a verified backup, a dump without a manifest may be the only one"
    back_up(filled)
    [old] = [path for path in filled.bucket.rglob("*") if is_upload(path, names[2])]
    age_by(old, TWO_DAYS)
    leftovers.sweep(store, said.append)
    assert [line.partition(":")[0].partition(",")[0] for line in said] == [
        f"removed {names[0]}",
        f"removed the parts of {names[2]}",
    ]
    assert {"notes.txt", "filewallball_backup_mine.sql.gz", names[1]} <= set(filled.objects())
    assert [each.key for each in store.unfinished("filewallball")] == [names[3]]


def is_upload(path: Path, name: str) -> bool:
    """Whether this folder of the gateway is an upload of that name that has not ended."""
    try:
        told = os.getxattr(path.parent, "user.objname")
    except OSError:
        return False
    return told.decode().endswith(name)
