"""A store damaged while it is open, a reader that doesn't go on, and what the engine's errors become."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest

from filewallball.storage.disk import DiskBackend, access, engine
from filewallball.storage.disk.rescue import copy
from filewallball.storage.disk.room import Room
from filewallball.storage.errors import Damaged, StorageError, Unavailable
from tests.unit.storage.disk.test_disk_processes import FORK, run

PAGE = 4096


def zero_a_page(folder: Path, value: bytes) -> None:
    """Wipe out the page that holds a value."""
    path = folder / "store" / "data.mdb"
    place = path.read_bytes().index(value) // PAGE * PAGE
    with path.open("r+b") as file:
        file.seek(place)
        file.write(bytes(PAGE))


def test_a_store_damaged_while_it_is_open_is_made_anew_from_what_is_sound(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path, max_size=8 << 20)
    disk.set_many({b"%04d" % n: b"value %04d" % n * 50 for n in range(300)}, 1000)
    disk.set(b"large", b"x" * 50_000)
    disk.set(b"k" * 600, b"long key")
    zero_a_page(tmp_path, b"value 0100")
    assert [line.partition(":")[0] for line in disk.check(fix=False)] == [
        "The structure of the store is damaged"
    ]

    hold, ready = os.pipe(), os.pipe()
    other = FORK.Process(target=_in_use, args=(tmp_path, hold[0], ready[1]))
    other.start()
    os.read(ready[0], 1)
    assert "Other processes use" in disk.check(fix=True)[-1]
    os.write(hold[1], b"x")
    other.join(10)

    said = disk.check(fix=True)[-1]
    assert said.endswith(f"The damaged one is kept as {tmp_path / 'store' / 'damaged.mdb'}.")
    assert disk.check(fix=False) == []
    kept = list(disk.keys(b""))
    assert b"0000" in kept
    assert b"large" in kept
    assert all(disk.get(key) == b"value %s" % key * 50 for key in kept if len(key) == 4)
    assert disk.get(b"large") == b"x" * 50_000
    assert disk.get(b"k" * 600) == b"long key"
    assert 900 < (disk.ttl(b"0000") or 0) <= 1000
    disk.set(b"new", b"1")
    disk.close()
    disk = DiskBackend(tmp_path)
    assert disk.get(b"new") == b"1"
    disk.close()
    for end in (*hold, *ready):
        os.close(end)


@pytest.mark.parametrize("forward", [True, False])
def test_all_that_is_sound_is_copied(tmp_path: Path, forward: bool) -> None:
    disk = DiskBackend(tmp_path)
    values = {b"%04d" % n: b"%d" % n * n for n in range(95)} | {b"l" * 700: b"long", b"large": bytes(20_000)}
    disk.set_many(values, 1000)
    opened = disk._opened
    assert opened is not None
    with opened.env.begin(opened.trees.values, write=True) as txn:
        txn.put(b"kwrong", b"no record")
    disk.close()
    part = tmp_path / "part" / "store"
    part.mkdir(parents=True)
    copy(tmp_path / "store", part, 1 << 24, forward=forward)
    (part / "format").write_text("filewallball storage 1\n")
    disk = DiskBackend(tmp_path / "part")
    assert {key: disk.get(key) for key in disk.keys(b"")} == values
    assert disk.check(fix=False) == []
    disk.close()


def _in_use(folder: Path, hold: int, ready: int) -> None:
    disk = DiskBackend(folder)
    os.write(ready, b"x")
    os.read(hold, 1)
    os._exit(0 if disk else 1)


def test_a_reader_that_doesnt_go_on_is_told_once_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "ROOM_SECONDS", 0.05)
    disk = DiskBackend(tmp_path, max_size=1_000_000)
    opened = disk._opened
    assert opened is not None
    held = opened.env.begin(opened.trees.values)

    def write(count: int) -> None:
        for number in range(count):
            disk.set(b"%d" % (number % 50), bytes(1_000))

    with pytest.raises(Unavailable, match="a reader holds on to what was deleted"):
        write(5_000)
    assert disk.get(b"0") == bytes(1_000), "reads go on"
    held.abort()
    write(200)
    assert disk.check(fix=False) == []
    disk.close()


def _fill_up(folder: Path) -> None:
    disk = DiskBackend(folder, max_size=16 << 20)
    disk.set_many({b"big%d" % n: bytes(10_000) for n in range(600)})
    disk.close()


@pytest.mark.parametrize("look", [lambda disk: disk.get(b"big1"), lambda disk: disk.set(b"a", b"2")])
def test_a_process_with_a_larger_limit_does_no_harm(
    tmp_path: Path, look: Callable[[DiskBackend], object]
) -> None:
    small = DiskBackend(tmp_path, max_size=1_000_000)
    small.set(b"a", b"1")
    run(_fill_up, [(tmp_path,)])
    assert look(small)
    assert small.get(b"a") in (None, b"1", b"2")
    assert small.check(fix=False) == []
    small.close()


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (lmdb.DiskError("x"), Unavailable, "is full"),
        (lmdb.ReadersFullError("x"), Unavailable, "More than 510 readers"),
        (lmdb.CorruptedError("x"), Damaged, "is damaged"),
        (lmdb.InvalidError("x"), Damaged, "is damaged"),
        (lmdb.Error("x", 5), Unavailable, "can't be used"),
        (ValueError("x"), Damaged, "can't be read"),
    ],
)
def test_each_error_of_the_engine_becomes_one_of_ours(
    tmp_path: Path, error: Exception, kind: type[StorageError], text: str
) -> None:
    told = engine.told(error, tmp_path)
    assert type(told) is kind
    assert text in str(told)
    assert str(tmp_path) in str(told)


def test_a_read_is_tried_again_once_places_of_dead_readers_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = DiskBackend(tmp_path)
    disk.set(b"a", b"1")
    usual: Any = disk._look
    failed: list[int] = []

    def look(*arguments: object) -> object:
        if not failed:
            failed.append(1)
            raise lmdb.ReadersFullError("x")
        return usual(*arguments)

    monkeypatch.setattr(disk, "_look", look)
    assert disk.get_many([b"a"]) == [b"1"]
    disk.close()


def test_the_end_of_a_program_closes_the_store_in_order(tmp_path: Path) -> None:
    code = (
        "from filewallball.storage.disk import DiskBackend\n"
        f"disk = DiskBackend({str(tmp_path)!r})\ndisk.set(b'a', b'1')\ndisk.get(b'a')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "store" / "boot").read_text().startswith("synced ")
    disk = DiskBackend(tmp_path)
    assert disk.facts()["hits"] == 1
    disk.close()


def test_many_small_items_are_written_in_parts() -> None:
    room = Room(1_000_000)
    parts = list(room.parts({b"%d" % n: b"" for n in range(100)}))
    assert sum(len(part) for part, _ in parts) == 100
    assert max(len(part) for part, _ in parts) == room.records
    assert [size for _, size in Room(1 << 30).parts({b"%d" % n: bytes(1 << 20) for n in range(4)})] == [
        2 * (1 << 20) + 2
    ] * 2
