"""Backups of keys between Redis 7.0 and Valkey 8.1, which write values in formats of different versions."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_image
from keys_lab import Keys, at_once, digest, fill, one_by_one, raw, records
from redis_lab import Server, free_port

from filewallball.errors import UserError
from filewallball.stability import targets
from filewallball.stability.keys.comparing import compare
from filewallball.stability.keys.records import Record, record
from filewallball.stability.keys.writing import Map, Writer
from filewallball.stability.local import Local


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The image's server, stand-alone."""
    tree, port = valkey_image.unpacked(tmp_path_factory), free_port()
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "save": "",
        "dir": "/tmp",
        "enable-debug-command": "yes",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    command = ["chroot", str(tree), "valkey-server", *words]
    server = Server(port, tmp_path_factory.mktemp("valkey"), command)
    server.start()
    yield server
    server.stop()


def test_from_redis_to_valkey_and_not_back(tmp_path: Path, single: Server, valkey: Server) -> None:
    keys, client = Keys(tmp_path), raw(single)
    client.flushall()
    fill(single)
    # The servers' sums of these go by texts of fractions, which the two write differently.
    scores = client.zrange("zset", 0, -1, withscores=True)
    before = digest(single)
    del before[0, b"zset"]
    made, _ = keys.backup(single.url)
    said = keys.restore(valkey.url, name=made)
    assert f"compared all: {len(before) + 1:,} keys equal, 0 expired, 0 missing, 0 different" in said
    assert before.items() <= digest(valkey).items()
    assert raw(valkey).zrange("zset", 0, -1, withscores=True) == scores

    assert records(at_once(valkey, timeless=False)) == records(one_by_one(valkey))
    newer, said = keys.backup(valkey.url)
    if keys.manifest(newer).ways == ("scan",):  # unless this machine has that version's server, too
        assert "shard 0 is read by SCAN: No server program here writes version 11 of the format" in said
    raw(valkey).flushall()
    keys.restore(valkey.url, name=newer)
    assert before.items() <= digest(valkey).items()
    assert raw(valkey).zrange("zset", 0, -1, withscores=True) == scores

    client.flushall()
    with pytest.raises(UserError, match="cannot read the key 'fwb:restore-probe'") as refused:
        keys.restore(single.url, name=newer)
    assert refused.value.hint.startswith("Nothing has been changed. The backup was made from a newer server")
    assert client.dbsize() == 0


def test_what_differs_is_found_whatever_its_form(tmp_path: Path, single: Server, valkey: Server) -> None:
    """The servers may store equal values in other forms; one here is not equal, and one is gone."""
    client, other = raw(single), raw(valkey)
    client.flushall()
    records: list[Record] = []
    for name, fields in {"same": 600, "differs": 600, "gone": 600}.items():
        client.hset(name, mapping={f"f{n}": "v" * 70 for n in range(fields)})
        other.hset(name, mapping={f"f{n}": "v" * 70 for n in reversed(range(fields))})
        records.append(Record(name.encode(), 0, record(name.encode(), 0, client.dump(name))))
    other.hset("differs", "f7", "w" * 70)
    other.delete("gone")
    writer = Writer(
        Map(targets.read(valkey.url, tmp_path, Local.read(tmp_path, {}))), 0, True, threading.Event()
    )
    found = compare(writer, records)
    writer.close()
    assert (found.equal, found.differing, found.missing) == (1, 1, 1)
    assert found.examples == [b"differs", b"gone"]
    assert other.keys("*scratch*") == []
    client.flushall()
