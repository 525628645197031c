"""RDB files made by hand, as Valkey 8.1 writes them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from filewallball.valkey.snapshots import rdb
from filewallball.valkey.snapshots.digest import Digest
from filewallball.valkey.snapshots.rdb import RdbError

HEAD = b"REDIS0011" + b"\xfa\x0avalkey-ver\x058.1.1" + b"\xfa\x0aredis-bits\xc0\x40" + b"\xf5\x03lib"
END = b"\xff" + bytes(8)
SOON = 1_795_000_000_123


def string(text: bytes) -> bytes:
    if len(text) < 64:
        return bytes([len(text)]) + text
    if len(text) < 16384:
        return bytes([0x40 | len(text) >> 8, len(text) & 255]) + text
    return b"\x80" + len(text).to_bytes(4, "big") + text


def database(number: int, *entries: bytes) -> bytes:
    return b"\xfe" + bytes([number]) + b"\xfb" + bytes([len(entries), 0]) + b"".join(entries)


def key(name: bytes, kind: int = 0, value: bytes = b"\x01v", expires: int | None = None) -> bytes:
    when = b"" if expires is None else b"\xfc" + struct.pack("<q", expires)
    return when + b"\xf8\x05" + bytes([kind]) + string(name) + value


def read(tmp_path: Path, content: bytes) -> dict[int, rdb.Database]:
    path = tmp_path / "dump.rdb"
    path.write_bytes(content)
    return rdb.read(path)


def outline(number: int, *entries: tuple[bytes, int | None]) -> str:
    digest = Digest(number)
    for name, expires in entries:
        digest.add(name, expires)
    return digest.hexdigest()


def test_keys_and_times_of_every_database(tmp_path: Path) -> None:
    long = b"k" * 70_000
    found = read(
        tmp_path,
        HEAD
        + database(0, key(b"a"), key(b"b", expires=SOON), key(long))
        + database(15, key(b"fwb:clock", 4, b"\x01" + string(b"tick") + b"\xc0\x07"))
        + END,
    )
    assert {number: (one.keys, one.expires) for number, one in found.items()} == {0: (3, 1), 15: (1, 0)}
    assert found[0].outline.hexdigest() == outline(0, (long, None), (b"b", SOON), (b"a", None))
    assert found[15].outline.hexdigest() == outline(15, (b"fwb:clock", None))


def test_seconds_are_milliseconds_too(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + database(0, b"\xfd" + struct.pack("<i", 1_795_000_000) + key(b"a")) + END)
    assert found[0].outline.hexdigest() == outline(0, (b"a", 1_795_000_000_000))


@pytest.mark.parametrize(
    ("encoded", "name"),
    [
        (b"\xc0\xf6", b"-10"),
        (b"\xc1\x2c\x01", b"300"),
        (b"\xc2\x40\x42\x0f\x00", b"1000000"),
        (b"\xc3\x07\x19" + b"\x02kab" + b"\xe0\x0d\x01"[:2] + b"\x01", b"kab" + b"ab" * 11),
    ],
)
def test_keys_that_are_stored_in_another_form(tmp_path: Path, encoded: bytes, name: bytes) -> None:
    found = read(tmp_path, HEAD + database(0, b"\x00" + encoded + b"\x01v") + END)
    assert found[0].outline.hexdigest() == outline(0, (name, None))


PEL = bytes(24) + b"\x01"
CONSUMER = string(b"me") + bytes(16) + b"\x01" + bytes(16)
STREAM = (
    b"\x01" + string(bytes(16)) + string(b"listpack") + b"\x01\x05\x00" + b"\x05\x00\x00\x00\x01"
    + b"\x01" + string(b"group") + b"\x05\x00\x01" + b"\x01" + PEL + b"\x01" + CONSUMER
)  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (0, b"\xc0\x07"),
        (0, b"\xc3\x03\x0a" + b"\x00a\x20"),
        (1, b"\x02\x01a\x01b"),
        (2, b"\x01\x01a"),
        (3, b"\x03\x01a\x031.5\x01b\xfd\x01c\xfe"),
        (4, b"\x01\x01f\x01v"),
        (5, b"\x01\x01a" + struct.pack("<d", 1.5)),
        (14, b"\x01\x02zl"),
        (16, b"\x02lp"),
        (18, b"\x02\x02\x02lp\x01\x05plain"),
        (21, STREAM),
    ],
)
def test_values_of_every_type_are_stepped_over(tmp_path: Path, kind: int, value: bytes) -> None:
    found = read(tmp_path, HEAD + database(0, key(b"a", kind, value), key(b"z")) + END)
    assert found[0].outline.hexdigest() == outline(0, (b"a", None), (b"z", None))


def test_streams_of_earlier_versions(tmp_path: Path) -> None:
    older = b"\x00" + b"\x01\x05\x00" + b"\x01" + string(b"g") + b"\x05\x00\x00" + b"\x01"
    older += string(b"me") + bytes(8) + b"\x00"
    found = read(tmp_path, HEAD + database(0, key(b"a", 15, older), key(b"z")) + END)
    assert found[0].keys == 2


def test_a_file_without_keys(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + END) == {}


WHOLE = HEAD + database(0, key(b"a"), key(b"b", expires=SOON)) + END


@pytest.mark.parametrize("length", [8, 9, 40, len(WHOLE) - 20, len(WHOLE) - 8, len(WHOLE) - 1])
def test_a_file_that_is_cut_off(tmp_path: Path, length: int) -> None:
    with pytest.raises(RdbError, match=r"cut off|no RDB file"):
        read(tmp_path, WHOLE[:length])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"SELECT 1; -- this is SQL", "no RDB file"),
        (b"REDIS0080" + END, "version 80; known are 9 to 11"),
        (WHOLE + b"x", "follows"),
        (HEAD + database(0, key(b"a", 7, b"")) + END, "a module's value"),
        (HEAD + database(0, key(b"a", 22, b"")) + END, "unknown type 22"),
        (HEAD + b"\xfe\xc0\x01" + END, "damaged at byte"),
        (HEAD + b"\xfe\x8f" + END, "damaged at byte"),
        (HEAD + database(0, b"\x00" + b"\xc3\x02\x09\x00a" + b"\x01v") + END, "compressed key is damaged"),
    ],
)
def test_a_file_that_is_something_else(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(RdbError, match=said):
        read(tmp_path, content)


def test_a_digest_knows_no_order_but_every_detail() -> None:
    one, other = Digest(0), Digest(0)
    for name in (b"a", b"b"):
        one.add(name, 1, b"v")
    for name in (b"b", b"a"):
        other.add(name, 1, b"v")
    assert one.hexdigest() == other.hexdigest()
    entries = [(0, b"a", 1, b"v"), (1, b"a", 1, b"v"), (0, b"A", 1, b"v"), (0, b"a", None, b"v")]
    entries += [(0, b"a", 2, b"v"), (0, b"a", 1, b"w"), (0, b"a1", None, b"v")]
    seen: set[str] = set()
    for number, name, expires, value in entries:
        digest = Digest(number)
        digest.add(name, expires, value)
        seen.add(digest.hexdigest())
    assert len(seen) == len(entries)


def test_equal_entries_do_not_cancel_out() -> None:
    twice = Digest(0)
    twice.add(b"a", None)
    twice.add(b"a", None)
    assert twice.hexdigest() != Digest(0).hexdigest()
