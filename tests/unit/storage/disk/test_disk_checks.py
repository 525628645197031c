"""What check finds and mends, copies of a store in use, and stores that were damaged or tampered with."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from filewallball.storage.disk import DiskBackend, clock
from filewallball.storage.disk.records import HEAD, NUMBER, stored_key
from filewallball.storage.errors import Unavailable, WrongSetting


def filled(folder: Path) -> DiskBackend:
    disk = DiskBackend(folder, max_size=64 << 20)
    disk.set_many({b"%04d" % n: b"%d" % n * 50 for n in range(400)}, 1000)
    disk.set_many({b"large%d" % n: bytes([n]) * 200_000 for n in range(3)})
    return disk


def whole(disk: DiskBackend) -> bool:
    values = {key: disk.get(key) for key in disk.keys(b"")}
    return all(
        value == (key[5:6].translate(bytes(range(256))) and bytes([int(key[5:])]) * 200_000)
        if key.startswith(b"large")
        else value == b"%d" % int(key) * 50
        for key, value in values.items()
    )


def test_check_finds_what_is_wrong_and_mends_it(tmp_path: Path) -> None:
    disk = filled(tmp_path)
    opened = disk._opened
    assert opened is not None
    assert disk.check(fix=False) == []
    with opened.env.begin(opened.trees.values, write=True) as txn:
        record = txn.get(stored_key(b"0001")) or b""
        txn.put(stored_key(b"0001"), record[:-1] + b"!")
        txn.put(stored_key(b"0002"), b"short")
        txn.put(NUMBER.pack(10**9), stored_key(b"0003"), db=opened.trees.order)
        with txn.cursor(opened.trees.pieces) as cursor:
            assert cursor.first()
            cursor.delete()
    found = disk.check(fix=False)
    assert [line.partition(" ")[0] for line in found] == ["3", "49", "The"]
    assert disk.check(fix=True) == found
    assert disk.check(fix=False) == []
    assert disk.get_many([b"0001", b"0002", b"large0"]) == [None] * 3
    assert len(list(disk.keys(b""))) == 400
    assert whole(disk)
    disk.close()


def test_a_backup_of_a_store_in_use_is_one_moment(tmp_path: Path) -> None:
    disk = filled(tmp_path / "cache")
    disk.set(b"0000", b"0")
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            disk.set_many({b"a": b"%d" % number, b"z": b"%d" % number})

    thread = threading.Thread(target=write)
    thread.start()
    try:
        copies = [disk.backup(tmp_path / "copies") for _ in range(3)]
    finally:
        stop.set()
        thread.join()
    assert len({path.name for path in copies}) == 3
    assert sorted((tmp_path / "copies").iterdir()) == sorted(copies)
    for path in copies:
        copy = DiskBackend(path)
        assert copy.check(fix=False) == []
        assert copy.get(b"a") == copy.get(b"z")
        assert copy.get(b"large1") == b"\1" * 200_000
        copy.set(b"new", b"1")
        copy.close()
    with pytest.raises(WrongSetting, match="within the store"):
        disk.backup(tmp_path / "cache" / "store" / "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(WrongSetting, match="is not a folder"):
        disk.backup(tmp_path / "file")
    disk.close()


def test_a_copy_that_finds_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = filled(tmp_path / "cache")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("filewallball.storage.disk.copies._sync", refuse)
    with pytest.raises(Unavailable, match="is full"):
        disk.backup(tmp_path / "copies")
    assert list((tmp_path / "copies").iterdir()) == []
    disk.close()


def test_after_a_power_cut_the_files_are_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = filled(tmp_path)
    opened = disk._opened
    assert opened is not None
    monkeypatch.setattr(clock, "boot", lambda: "the next one")
    (tmp_path / "store" / "boot").write_text("this one")
    disk.close()
    (tmp_path / "store" / "boot").write_text("this one")
    disk = DiskBackend(tmp_path)
    assert whole(disk), "what is sound is kept"
    assert len(list(disk.keys(b""))) == 403
    disk.close()
    (tmp_path / "store" / "boot").write_text("this one")
    with (tmp_path / "store" / "data.mdb").open("r+b") as file:
        for page in range(5, 60):
            file.seek(page * 4096)
            file.write(bytes(4096))
    with pytest.warns(RuntimeWarning, match="a new one begins empty"):
        disk = DiskBackend(tmp_path)
    assert list(disk.keys(b"")) == []
    assert (tmp_path / "store" / "damaged.mdb").exists()
    disk.set(b"a", b"1")
    disk.close()


TAMPERED = """
import sys, warnings
from filewallball.storage.disk import DiskBackend
from filewallball.storage.errors import StorageError
warnings.simplefilter("ignore")
for folder in sys.argv[1:]:
    try:
        disk = DiskBackend(folder, max_size=4 << 20)
    except StorageError:
        continue
    for step in (
        lambda: [disk.get(key) for key in list(disk.keys(b""))],
        lambda: disk.set_many({b"%04d" % n: bytes(900) for n in range(0, 400, 7)}, 50),
        lambda: disk.clear(b"00"),
        disk.cleanup,
        disk.facts,
        lambda: disk.check(fix=False),
        lambda: disk.check(fix=True),
        lambda: [disk.set(b"%04d" % n, bytes(3_000)) for n in range(2_000)],
    ):
        try:
            step()
        except StorageError:
            pass
    disk.close()
print("done")
"""


def _tampered(tmp_path: Path, seeds: range) -> None:
    """Bits, fields and pages of the file are changed at random: an error of ours at worst, never the end."""
    filled(tmp_path / "cache").close()
    data = (tmp_path / "cache" / "store" / "data.mdb").read_bytes()
    folders: list[str] = []
    for seed in seeds:
        chance = random.Random(seed)
        changed = bytearray(data)
        for _ in range(chance.choice([1, 3, 30])):
            place = chance.randrange(len(changed) - 8)
            kind = chance.randrange(4)
            if kind == 0:
                changed[place] ^= 1 << chance.randrange(8)
            elif kind == 1:
                size = chance.choice([0, 1, 2**15, 2**31, 2**32 - 1, 2**63, 2**64 - 1])
                struct.pack_into("<Q", changed, place & ~7, size)
            elif kind == 2:
                # Into the head of a page: its flags and bounds.
                struct.pack_into("<H", changed, (place & ~4095) + 8 + 2 * chance.randrange(6), place & 0xFFFF)
            else:
                other = chance.randrange(len(changed) // 4096) * 4096
                changed[place & ~4095 : (place & ~4095) + 4096] = changed[other : other + 4096]
        if chance.random() < 0.1:
            del changed[chance.randrange(len(changed)) :]
        folder = tmp_path / f"t{seed}"
        DiskBackend(folder).close()
        (folder / "store" / "data.mdb").write_bytes(changed)
        folders.append(str(folder))
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", TAMPERED, *folders],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-3000:]


def test_a_file_that_was_tampered_with_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    _tampered(tmp_path, range(8))


@pytest.mark.nightly
@pytest.mark.parametrize("start", range(1_000, 1_300, 100))
def test_many_files_that_were_tampered_with_do_no_harm(tmp_path: Path, start: int) -> None:
    _tampered(tmp_path, range(start, start + 100))


def test_a_record_that_claims_too_much_is_no_more_than_damaged(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path)
    opened = disk._opened
    assert opened is not None
    forged = HEAD.pack(float("nan"), 2**64 - 1, 2**32 - 1, 0, 2**32 - 1, 2**32 - 1) + b"../../etc/passwd"
    with opened.env.begin(opened.trees.values, write=True) as txn:
        txn.put(stored_key(b"a"), forged)
    assert disk.get(b"a") is None
    assert disk.check(fix=True) != []
    assert disk.check(fix=True) == []
    disk.close()
