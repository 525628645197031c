"""The limit of the size is kept, by several processes too, and what goes first is what is needed least."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from filewallball.storage.disk import DiskBackend
from filewallball.storage.errors import WrongValue
from tests.unit.storage.disk.test_disk_processes import run
from tests.unit.storage.disk.test_disk_values import Clock

MEGABYTE = 1 << 20


def on_disk(folder: Path) -> int:
    """Bytes that the files of the store take."""
    return sum(path.stat().st_blocks * 512 for path in (folder / "store").iterdir())


def sizes(seed: int, most: int) -> Iterator[int]:
    chance = random.Random(seed)
    while True:
        yield min(int(chance.paretovariate(0.7) * 100), most)


def _fill(folder: Path, seed: int, max_size: int, total: int) -> None:
    disk = DiskBackend(folder, max_size=max_size)
    written = 0
    for number, size in enumerate(sizes(seed, max_size // 10)):
        disk.set(b"%d:%d" % (seed, number % 5_000), bytes(size), 3600 if number % 2 else None)
        written += size
        if number % 10 == 0:
            disk.set_many({b"%d:m%d" % (seed, index): bytes(500) for index in range(20)}, 60)
        if written > total:
            break
    disk.close()


@pytest.mark.parametrize("max_size", [1_000_000, 8 * MEGABYTE])
def test_four_processes_keep_below_the_limit(tmp_path: Path, max_size: int) -> None:
    run(_fill, [(tmp_path, seed, max_size, max_size) for seed in range(4)])
    assert on_disk(tmp_path) <= max_size
    disk = DiskBackend(tmp_path, max_size=max_size)
    assert disk.check(fix=False) == []
    assert int(disk.facts()["evicted"]) > 0
    assert int(disk.facts()["used"]) > max_size // 4, "and it isn't emptied without need"
    disk.close()


@pytest.mark.nightly
def test_a_large_store_keeps_below_the_limit_for_long(tmp_path: Path) -> None:
    run(_fill, [(tmp_path, seed, 64 * MEGABYTE, 192 * MEGABYTE) for seed in range(4)])
    assert on_disk(tmp_path) <= 64 * MEGABYTE


def test_expired_values_go_first_then_those_used_longest_ago(tmp_path: Path) -> None:
    clock = Clock()
    disk = DiskBackend(tmp_path, max_size=MEGABYTE, clock=clock)
    disk.set(b"old", bytes(1000))
    disk.set_many({b"brief:%d" % n: bytes(1000) for n in range(100)}, 10)
    disk.set_many({b"used:%d" % n: bytes(1000) for n in range(100)})
    disk.set_many({b"left:%d" % n: bytes(1000) for n in range(100)})
    clock.now += 100
    disk.get_many([b"used:%d" % n for n in range(100)])
    new = 0
    while int(disk.facts()["evicted"]) == 0:
        clock.now += 2
        disk.set(b"new:%d" % new, bytes(1000))
        new += 1
    assert list(disk.keys(b"brief:")) == []
    assert disk.facts()["expired"] == 100
    assert disk.get(b"old") is None
    while list(disk.keys(b"left:99")):
        clock.now += 2
        disk.set(b"new:%d" % new, bytes(1000))
        new += 1
    assert len(list(disk.keys(b"used:"))) > 80
    disk.close()


def test_a_value_that_would_drive_out_all_others_is_refused(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path, max_size=8 * MEGABYTE)
    disk.set(b"a", bytes(MEGABYTE))
    with pytest.raises(WrongValue, match="may take an eighth of max_size at most, 1048576 bytes here"):
        disk.set(b"b", bytes(MEGABYTE + 1))
    with pytest.raises(WrongValue, match="an eighth"):
        disk.change(b"b", lambda _: bytes(MEGABYTE + 1))
    assert list(disk.keys(b"")) == [b"a"]
    disk.close()


def test_a_smaller_limit_is_kept_from_the_next_writes_on(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path, max_size=8 * MEGABYTE)
    disk.set_many({b"%d" % n: bytes(1000) for n in range(5_000)})
    disk.close()
    disk = DiskBackend(tmp_path, max_size=2 * MEGABYTE)
    for number in range(10):
        disk.set(b"new:%d" % number, bytes(1000))
    assert int(disk.facts()["used"]) <= 2 * MEGABYTE
    assert len(list(disk.keys(b"new:"))) == 10
    disk.close()
