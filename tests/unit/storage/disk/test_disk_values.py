"""What the store on a disk does with values, times to live and keys of any kind."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from filewallball.storage.disk import DiskBackend
from filewallball.storage.errors import StorageError, WrongSetting, WrongValue


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def disk(tmp_path: Path, clock: Clock) -> Generator[DiskBackend]:
    made = DiskBackend(tmp_path / "cache", max_size=64 << 20, clock=clock)
    yield made
    assert made.check(fix=False) == []
    made.close()


KEYS = [b"", b"\0", b"a", b"a" * 500, b"a" * 501, b"a" * 501 + b"b", b"\xff" * 70_000]
VALUES = [b"", b"x", b"x" * 2_000, b"x" * (60 * 1024), bytes(range(256)) * 4_000]


def test_any_key_holds_any_value(disk: DiskBackend) -> None:
    for value in VALUES:
        disk.set_many(dict.fromkeys(KEYS, value))
        assert disk.get_many(KEYS) == [value] * len(KEYS)
        assert [disk.get(key) for key in KEYS] == [value] * len(KEYS)
    assert sorted(disk.keys(b"")) == sorted(KEYS)
    assert disk.delete([*KEYS, b"none"]) == len(KEYS)
    assert disk.get_many(KEYS) == [None] * len(KEYS)


def test_keys_are_found_by_their_beginning(disk: DiskBackend) -> None:
    long = [b"p" * 450 + bytes([n]) * 200 for n in range(3)]
    few = [b"p:%d" % n for n in range(1_203)]
    disk.set_many(dict.fromkeys([*long, *few, b"o", b"q"], b""))
    assert sorted(disk.keys(b"p:")) == sorted(few)
    assert sorted(disk.keys(b"p" * 450)) == long
    assert list(disk.keys(long[1][:460])) == [long[1]]
    assert disk.clear(b"p") == len(long) + len(few)
    assert sorted(disk.keys(b"")) == [b"o", b"q"]


def test_what_is_written_while_keys_are_listed_does_no_harm(disk: DiskBackend) -> None:
    disk.set_many({b"%04d" % n: b"" for n in range(1_200)})
    found = []
    for number, key in enumerate(disk.keys(b"")):
        found.append(key)
        disk.set(b"0000-%d" % number, b"")
        disk.delete([b"0001"])
    assert len(found) == len(set(found))
    assert {b"%04d" % n for n in range(2, 1_200)} <= set(found)


def test_values_run_out(disk: DiskBackend, clock: Clock) -> None:
    disk.set(b"short", b"1", 10)
    disk.set(b"long", b"1", 1_000)
    disk.set(b"ever", b"1")
    assert disk.ttl(b"short") == 10
    assert disk.ttl(b"ever") is None
    clock.now += 10
    assert disk.get_many([b"short", b"long", b"ever"]) == [None, b"1", b"1"]
    assert list(disk.keys(b"")) == [b"ever", b"long"]
    assert disk.delete([b"short"]) == 0
    with pytest.raises(KeyError):
        disk.ttl(b"short")
    disk.set_many({b"%d" % n: b"" for n in range(1_100)}, 20)
    clock.now += 21
    assert disk.cleanup() == 1_100
    assert disk.facts()["keys"] == 2


def test_a_time_to_live_can_be_changed(disk: DiskBackend, clock: Clock) -> None:
    disk.set(b"a", b"1", 10)
    assert disk.expire(b"a", 100)
    clock.now += 50
    assert disk.ttl(b"a") == 50
    assert disk.expire(b"a", None)
    clock.now += 5_000
    assert disk.get(b"a") == b"1"
    assert disk.ttl(b"a") is None
    assert disk.expire(b"a", 0)
    assert disk.get(b"a") is None
    assert not disk.expire(b"a", 100)
    assert disk.set(b"a", b"1", -1)
    assert disk.get(b"a") is None
    disk.set(b"a", b"1", 1e300)
    assert disk.ttl(b"a") is None


def test_written_only_if_new_or_only_if_there(disk: DiskBackend, clock: Clock) -> None:
    assert not disk.set(b"a", b"1", when="present")
    assert disk.set(b"a", b"1", 10, when="new")
    assert not disk.set(b"a", b"2", when="new")
    assert disk.set(b"a", b"3", 10, when="present")
    assert disk.get(b"a") == b"3"
    clock.now += 10
    assert not disk.set(b"a", b"4", when="present")
    assert disk.set(b"a", b"4", when="new")


def test_whole_numbers_are_counted(disk: DiskBackend, clock: Clock) -> None:
    assert disk.add(b"n", 5, ttl=10) == 5
    assert disk.add(b"n", -7, ttl=99) == -2
    assert disk.ttl(b"n") == 10
    assert disk.get(b"n") == b"-2"
    disk.set(b"n", b"%d" % (2**63 - 2))
    assert disk.add(b"n", 1) == 2**63 - 1
    with pytest.raises(WrongValue, match="64 bits"):
        disk.add(b"n", 1)
    for wrong in (b"", b"1.5", b"x", b" 1", b"+1", b"01", b"-", b"9" * 30, "١".encode()):
        disk.set(b"n", wrong)
        with pytest.raises(WrongValue, match="not a whole number"):
            disk.add(b"n", 1)
        assert disk.get(b"n") == wrong


def test_a_value_is_changed_by_a_function(disk: DiskBackend, clock: Clock) -> None:
    assert disk.change(b"a", lambda old: (old or b"") + b"x", ttl=10) == b"x"
    clock.now += 4
    assert disk.change(b"a", lambda old: (old or b"") + b"y") == b"xy"
    assert disk.ttl(b"a") == 6
    assert disk.change(b"a", lambda old: old, ttl=None) == b"xy"
    assert disk.ttl(b"a") is None
    with pytest.raises(ZeroDivisionError):
        disk.change(b"a", lambda _: b"%d" % (1 // 0))
    assert disk.get(b"a") == b"xy"
    assert disk.change(b"a", lambda _: disk.get(b"a")) == b"xy"
    with pytest.raises(StorageError, match="may only read"):
        disk.change(b"a", lambda _: b"%d" % disk.set(b"b", b""))
    assert disk.change(b"a", lambda _: None) is None
    assert disk.get(b"a") is None


def test_a_value_written_again_and_again_takes_no_more_room(disk: DiskBackend, clock: Clock) -> None:
    for number in range(300):
        disk.set(b"a", bytes(70_000 + number), 100)
        disk.set(b"b", b"", number % 3 * 40 or None)
        clock.now += 7
    assert disk.facts()["keys"] == 2
    assert int(disk.facts()["used"]) < 40 * 4096


def test_hits_and_misses_are_counted_for_all(disk: DiskBackend, tmp_path: Path, clock: Clock) -> None:
    disk.set(b"a", b"1")
    for key in (b"a", b"a", b"b"):
        disk.get(key)
    disk.get_many([b"a", b"c"])
    assert (disk.facts()["hits"], disk.facts()["misses"]) == (3, 2)
    other = DiskBackend(tmp_path / "cache", clock=clock)
    assert (other.facts()["hits"], other.facts()["misses"]) == (3, 2)
    other.close()


@pytest.mark.parametrize("size", [0, -1, True, 1 << 19, 1e9, "1 GiB", None])
def test_a_size_that_cant_be_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(WrongSetting, match=r"max_size is .* Write 1073741824 for 1 GiB"):
        DiskBackend(tmp_path / "cache", max_size=size)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("value", ["text", 1, None, bytearray(b"x")])
def test_only_bytes_are_values(disk: DiskBackend, value: bytes) -> None:
    with pytest.raises(WrongValue, match="A value is bytes here"):
        disk.set(b"a", value)
    with pytest.raises(WrongValue, match="A value is bytes here"):
        disk.set_many({b"a": b"1", b"b": value})
    assert disk.get(b"a") is None


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path / "cache")
    disk.close()
    disk.close()
    with pytest.raises(StorageError, match="was closed"):
        disk.get(b"a")
