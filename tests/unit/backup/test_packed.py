"""Dumps packed and encrypted in every way, and unpacked again; what is damaged is never taken for whole."""

from __future__ import annotations

import gzip
import itertools
import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyrage import x25519

from facts.backup import COMPRESSIONS
from filewallball.backup import age
from filewallball.backup.names import NAMING
from filewallball.backup.packed import SUFFIXES, PackedError, Packing, opened, packing, unpacked
from filewallball.errors import ConfigError

KEY, OTHER = x25519.Identity.generate(), x25519.Identity.generate()
MINE, THEIRS = str(KEY.to_public()), str(OTHER.to_public())
SQL = b"".join(b"INSERT INTO t VALUES (%d,'\xed\x95\x9c');\n" % number for number in range(300_000))


def packed(data: bytes, compression: str = "gzip", recipients: tuple[str, ...] = ()) -> bytes:
    found: list[bytes] = []
    with packing(found.append, compression) as file:
        for start in range(0, len(data), 100_000):
            file.write(data[start : start + 100_000])
    return b"".join(age.encrypted(iter(found), recipients)) if recipients else b"".join(found)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("recipients", [(), (MINE,), (THEIRS, MINE)])
@pytest.mark.parametrize("size", [7777, 2**20])
def test_what_was_packed_comes_back(compression: str, recipients: tuple[str, ...], size: int) -> None:
    data = packed(SQL, compression, recipients)
    assert len(data) < len(SQL) / 3
    assert b"".join(opened(in_pieces(data, size), [KEY])) == SQL


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=3000), st.integers(1, 50), st.sampled_from(COMPRESSIONS))
def test_in_any_pieces(data: bytes, size: int, compression: str) -> None:
    assert b"".join(opened(in_pieces(packed(data, compression), size))) == data


def test_the_usual_programs_read_it(tmp_path: Path) -> None:
    for compression, program in (("gzip", ["gunzip"]), ("zstd", ["zstd", "-d"])):
        got = subprocess.run(
            [*program, "-c"], input=packed(SQL, compression), capture_output=True, check=True
        )
        assert got.stdout == SQL


def test_what_gzip_and_zstd_write_is_read() -> None:
    for data in (gzip.compress(SQL), zstandard.compress(SQL)):
        assert b"".join(opened(in_pieces(data, 10_000))) == SQL


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:-9],
    "cut in the middle": lambda data: data[: len(data) // 2],
    "cut to nothing": lambda _: b"",
    "cut in the beginning": lambda data: data[:3],
    "one bit in the middle": lambda data: flipped(data, len(data) // 2),
    "one bit in the beginning": lambda data: flipped(data, 1),
    "one bit in the end": lambda data: flipped(data, len(data) - 2),
    "something behind": lambda data: data + b"more",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("recipients", [(), (MINE,)])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damage_is_noticed(compression: str, recipients: tuple[str, ...], damage: str) -> None:
    data = DAMAGES[damage](packed(SQL, compression, recipients))
    with pytest.raises(PackedError):
        list(opened(in_pieces(data, 65_536), [KEY]))


@pytest.mark.parametrize(("keys", "said"), [([], "no private key was given"), ([OTHER], "not one of theirs")])
def test_without_the_right_key_nothing_comes_out(keys: list[age.Identity], said: str) -> None:
    got: list[bytes] = []
    with pytest.raises(age.NoKey, match=said) as caught:
        got.extend(opened(in_pieces(packed(SQL, "gzip", (MINE,)), 65_536), keys))
    assert got == []
    assert "--identity FILE" in caught.value.hint
    with pytest.raises(age.NoKey, match=f"encrypted for {MINE}, and .*{said}"):
        age.check_opens(keys, (MINE,), "filewallball_backup_20260301_020000.sql.gz.age")


def test_what_a_reader_gives_up_leaves_no_thread() -> None:
    pieces = opened(in_pieces(packed(SQL, "gzip", (MINE,)), 65_536), [KEY])
    assert next(pieces)
    del pieces
    assert not [thread for thread in threading.enumerate() if thread.name == "age"]


def test_an_error_of_the_source_or_of_the_target_is_told_as_it_was() -> None:
    class Broken(Exception):
        pass

    def source() -> Iterator[bytes]:
        yield b"x" * 200_000
        raise Broken

    def target(_: bytes) -> None:
        raise Broken

    with pytest.raises(Broken):
        list(age.encrypted(source(), (MINE,)))
    with pytest.raises(Broken):
        list(opened(source_of(packed(SQL, "gzip", (MINE,)), Broken), [KEY]))
    for compression in COMPRESSIONS:
        with pytest.raises(Broken), packing(target, compression) as file:
            file.write(SQL)


def source_of(data: bytes, error: type[Exception]) -> Iterator[bytes]:
    yield data[: len(data) // 2]
    raise error


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_memory_stays_flat_even_where_a_little_unpacks_to_a_lot(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "zeros"
    with path.open("wb") as file, packing(file.write, compression) as out:
        for _ in range(400):
            out.write(bytes(2**20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(map(len, unpacked(path))) == 400 * 2**20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_each_packing_has_its_name() -> None:
    for compression, recipients in itertools.product(COMPRESSIONS, [(), (MINE,)]):
        name = f"filewallball_backup_20240725_170206{Packing(compression, recipients).suffix}"
        assert NAMING.time(name), name
    assert Packing().suffix == ".sql.gz"
    assert set(SUFFIXES) == set(COMPRESSIONS)


def test_identity_files(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"# created: 2026\n# public key: {MINE}\n{KEY}\n\n{OTHER}\n")
    assert [str(key.to_public()) for key in age.identities(path) if isinstance(key, x25519.Identity)] == [
        MINE,
        THEIRS,
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"{MINE}\n", "holds a public key"),
        ("ssh-ed25519 AAAA me\n", "holds a public key"),
        (f"# only a comment {MINE[:4]}\n", "private"),
        ("", "holds no private key"),
        (f"{KEY}x\n", "holds no private key"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "holds no private",
        ),
        ("age-encryption.org/v1\n-> scrypt x 18\n", "is itself encrypted"),
        ("\x00\xff", "holds no private key"),
    ],
    # a key is another one in each worker, and stands in no name
    ids=["public", "ssh-public", "comment", "empty", "cut", "openssh", "passphrase", "bytes"],
)
def test_a_file_that_holds_no_private_key_is_named_and_not_shown(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ConfigError, match=said) as caught:
        age.identities(path)
    assert str(path) in caught.value.message
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot read"):
        age.identities(tmp_path / "none")
