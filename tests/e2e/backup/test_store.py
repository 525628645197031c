"""The store's side against a real S3 gateway: taken names, large dumps, and what counts as a backup."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from filewallball.backup import catalogue
from filewallball.backup import job as backup_job
from filewallball.backup import store as store_module
from filewallball.backup.dump import Dumped
from filewallball.backup.inventory import Inventory
from filewallball.backup.manifest import Manifest, Position
from filewallball.backup.snapshot import Snapshot
from filewallball.backup.store import AlreadyThere, Store, StoreError

TIME = datetime(2026, 3, 1, 2, 0, 0, tzinfo=UTC)
SQL = b"SELECT 1;\n" * 1000 + b"\n-- Dump completed on 2026-03-01  2:00:00\n"
FIRST = "filewallball_backup_20260301_020000.sql.gz"
SECOND = "filewallball_backup_20260301_020001.sql.gz"


@pytest.fixture
def store(job: Any) -> Store:
    return job.store()


def dump_in(folder: Path) -> Snapshot:
    """A dump of a database that nobody ever had."""
    path = folder / "dump.sql.gz"
    path.write_bytes(zlib.compress(SQL, wbits=31))
    packed = path.read_bytes()
    dumped = Dumped(path, len(packed), len(SQL), hashlib.sha256(packed).hexdigest())
    return Snapshot(TIME, Position("bin.000001", 4), dumped, Inventory({}, {}), 0.01)


def about(taken: Snapshot) -> Manifest:
    dumped = taken.dumped
    return Manifest(
        name=FIRST, created=TIME, bytes=dumped.bytes, sha256=dumped.sha256, sql_bytes=dumped.sql_bytes,
        database="d", charset="utf8mb4", collation="utf8mb4_bin", server_version="10.11.19-MariaDB",
        snapshot=taken.position, tables={}, objects={}, verified=True, verified_at=TIME, restore_seconds=1.5,
    )  # fmt: skip


@pytest.fixture
def taken(tmp_path: Path) -> Snapshot:
    return dump_in(tmp_path)


@pytest.fixture
def manifest(taken: Snapshot) -> Manifest:
    return about(taken)


def test_a_taken_name_is_left_alone_and_the_next_second_is_used(
    store: Store, taken: Snapshot, manifest: Manifest
) -> None:
    store.put(b"somebody else's", FIRST)
    assert backup_job.upload(store, taken, manifest).name == SECOND
    assert store.get(FIRST) == b"somebody else's"
    assert [entry.name for entry in catalogue.entries(store)] == [SECOND]


def test_a_manifest_without_its_dump_does_not_block_the_name_after(
    store: Store, taken: Snapshot, manifest: Manifest
) -> None:
    store.put(b"{}", f"{FIRST}.manifest.json")
    assert backup_job.upload(store, taken, manifest).name == SECOND


def test_when_every_name_is_taken_it_gives_up(store: Store, taken: Snapshot, manifest: Manifest) -> None:
    for second in range(5):
        store.put(b"x", f"filewallball_backup_20260301_02000{second}.sql.gz")
    with pytest.raises(StoreError, match="names from"):
        backup_job.upload(store, taken, manifest)
    assert len(list(store.list())) == 5


def test_a_large_dump_goes_up_in_parts_and_overwrites_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PART", 5 * 2**20)
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 4096 * 11)
    store.put_file(large, "large")
    assert store.get("large") == large.read_bytes()
    with pytest.raises(AlreadyThere):
        store.put_file(large, "large")


def test_only_a_whole_backup_counts(store: Store, taken: Snapshot, manifest: Manifest) -> None:
    good = backup_job.upload(store, taken, manifest)
    store.put(b"no manifest beside it", "filewallball_backup_20260305_020000.sql.gz")
    store.put(b"{not json", "filewallball_backup_20260304_020000.sql.gz.manifest.json")
    lost = replace(manifest, name="filewallball_backup_20260303_020000.sql.gz")
    store.put(lost.to_json(), f"{lost.name}.manifest.json")
    untried = replace(
        manifest, name="filewallball_backup_20260302_020000.sql.gz", verified=False, verified_at=None
    )
    store.put_file(taken.dumped.path, untried.name)
    store.put(untried.to_json(), f"{untried.name}.manifest.json")
    store.put(b"", "notes.txt")

    listed = {entry.time.day: (entry.verified, entry.problem) for entry in catalogue.entries(store)}
    assert listed[1] == (True, "")
    assert listed[2] == (False, "")
    assert listed[3] == (False, "the dump is missing")
    assert "not JSON" in listed[4][1]
    assert 5 not in listed
    assert catalogue.newest_verified(store) == good
    assert catalogue.find(store, good.name) == good


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda packed: packed[:-20], "cut off"),
        (lambda packed: packed[:40] + bytes([packed[40] ^ 1]) + packed[41:], "damaged"),
        (lambda _: zlib.compress(SQL[:-1] + b"!", wbits=31), "SHA-256|bytes in the store"),
        (lambda packed: packed + b"more", "follows its end"),
    ],
)
def test_a_damaged_dump_in_the_store_is_noticed(
    store: Store, taken: Snapshot, manifest: Manifest, content: Any, said: str
) -> None:
    store.put(content(taken.dumped.path.read_bytes()), FIRST)
    with pytest.raises(catalogue.Damaged, match=said):
        catalogue.check_stored(store, manifest)


def test_a_missing_object_says_so(store: Store) -> None:
    with pytest.raises(StoreError, match="NoSuchKey"):
        store.get("nothing")
    assert not store.exists("nothing")
