"""`fwb redis backup` and `restore` on real servers: everything comes back, and nothing else is touched."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keys_lab import LIBRARY, Keys, digest, fill, of_cluster, raw, until
from redis_lab import RedisLab, Server

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.errors import ConfigError, UserError
from filewallball.stability.keys import replica
from filewallball.stability.keys.reading import Batch, Reader
from filewallball.stability.keys.wire import info


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
def server(single: Server) -> Iterator[Server]:
    client = raw(single)
    client.flushall()
    yield single
    client.flushall()
    client.function_flush()


@pytest.mark.parametrize("way", ["replica", "scan"])
def test_everything_comes_back_to_an_empty_server(keys: Keys, server: Server, way: str) -> None:
    client = raw(server)
    fill(server, databases=(0, 3))
    client.function_load(LIBRARY)
    before = digest(server, (0, 3))
    made, said = keys.backup(server.url, way=way)
    manifest = keys.manifest(made)
    assert manifest.keys == {0: len(before) // 2, 3: len(before) // 2}
    assert manifest.ways == (way,), said
    client.flushall()
    client.function_flush()
    said = keys.restore(server.url, name=made)
    assert digest(server, (0, 3)) == before
    assert client.execute_command("FCALL", "answer", 0) == 42
    assert f"compared all: {len(before):,} keys equal, 0 expired, 0 missing, 0 different" in said
    assert said.splitlines()[-1] == f"restored: {made}"


def test_what_happens_to_keys_that_exist(keys: Keys, server: Server) -> None:
    client = raw(server)
    client.mset({"user:1": "old", "user:2": "old", "other": "old"})
    client.set("soon", "old", px=4000)
    gone = time.time() + 4.1
    made, _ = keys.backup(server.url)
    client.mset({"user:1": "new", "other": "new", "not-in-the-backup": "new"})
    client.delete("user:2")
    client.set("soon", "new")
    time.sleep(max(0.0, gone - time.time()))

    said = keys.restore(server.url, latest=True, dry_run=True)
    assert "1 keys would be placed, 2 are there and would be replaced, 1 have expired since" in said
    assert client.get("user:1") == b"new"
    assert client.get("user:2") is None

    said = keys.restore(server.url, name=made, overwrite=False)
    assert "1 keys placed, 2 are there and stay as they are, 1 have expired since" in said
    assert client.mget("user:1", "user:2", "other") == [b"new", b"old", b"new"]

    keys.restore(server.url, name=made, match="user:?")
    assert client.mget("user:1", "other") == [b"old", b"new"]

    keys.restore(server.url, name=made)
    assert client.mget("other", "not-in-the-backup", "soon") == [b"old", b"new", b"new"]


def test_from_one_topology_to_another(
    keys: Keys, server: Server, cluster: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = raw(server)
    fill(server)
    before = digest(server)
    made, _ = keys.backup(server.url)
    dev = keys.named("dev", cluster[:2])
    try:
        said = keys.restore(dev, name=made)
        assert of_cluster(cluster) == before, said
        back, said = keys.backup(dev)
        assert back.startswith("redis-backup-dev-2")
        assert len(keys.manifest(back).ways) == 3
        client.flushall()
        keys.restore(dev, latest=True, to=server.url)
        assert digest(server) == before
        # A cluster has one database alone.
        raw(server, 3).set("only", "here")
        held, _ = keys.backup(server.url)
        for each in cluster[:3]:
            raw(each).flushall()
        with pytest.raises(ConfigError, match=f"{held} holds keys in database 0, 3") as refused:
            keys.restore(dev, name=held)
        assert "Nothing has been changed. Choose" in refused.value.hint
        assert of_cluster(cluster) == {}
        keys.restore(dev, name=held, database=3)
        assert [name for _, name in of_cluster(cluster)] == [b"only"]
    finally:
        for each in cluster[:3]:
            raw(each).flushall()


def test_a_server_that_hands_over_nothing_is_read_by_scan(keys: Keys, server: Server) -> None:
    client = raw(server)
    client.mset({f"k{n}": n for n in range(100)})
    client.acl_setuser(
        "reader", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-psync", "-sync"]
    )
    try:
        url = server.url.replace("redis://", "redis://reader:secret@")
        made, said = keys.backup(url)
        assert keys.manifest(made).ways == ("scan",)
        assert re.search(r"shard 0 is read by SCAN: .*PSYNC was refused: NOPERM", said)
        with pytest.raises(UserError, match="PSYNC was refused"):
            keys.backup(url, way="replica", resume=False)
    finally:
        client.acl_deluser("reader")


@pytest.mark.parametrize("way", ["replica", "scan"])
def test_the_products_own_keys_are_in_no_backup(keys: Keys, server: Server, way: str) -> None:
    raw(server, CLOCK_DB).mset({CLOCK: "1", "another": "2"})
    made, _ = keys.backup(server.url, way=way)
    assert keys.manifest(made).keys == {CLOCK_DB: 1}


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("", "does not start: No memory"),
        ('while [ "$1" != --dir ]; do shift; done; exec 9<"$2/shard.rdb"', "has ended: No memory"),
    ],
)
def test_a_throw_away_server_that_ends_is_no_reason_to_have_no_backup(
    keys: Keys, server: Server, monkeypatch: pytest.MonkeyPatch, does: str, why: str
) -> None:
    program = keys.folder / "redis-server"
    program.write_text(f"#!/bin/sh\n{does}\necho No memory\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(replica, "program_for", lambda version: str(program))
    raw(server).set("large", os.urandom(4 * 2**20))
    made, said = keys.backup(server.url)
    assert f"shard 0 is read by SCAN: The throw-away server {why}" in said
    assert keys.manifest(made).total == 1


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_a_backup_with_a_rate_comes_after_others(
    keys: Keys, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    scanned = Reader.scanned

    def watched(reader: Reader, cursor: bytes) -> Iterator[Batch]:
        process = int(info(reader._wire, "server")["process_id"])  # pyright: ignore[reportPrivateUsage]
        seen.append((priority(threading.get_native_id()), priority(process)))
        return scanned(reader, cursor)

    monkeypatch.setattr(Reader, "scanned", watched)
    raw(server).set("a", "b")
    here = priority(threading.get_native_id())
    for rate in (0, 10_000):
        keys.backup(server.url, way="replica", rate=rate)
    raised = max(10, here)
    assert seen == [(here, here), (raised, raised)]
    assert priority(threading.get_native_id()) == here


def priority(process: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, process)


def spread(client: Any, count: int = 400) -> None:
    """About 26 MB that don't compress: several pieces."""
    pipe = client.pipeline(transaction=False)
    for n in range(count):
        pipe.set(f"k{n}", os.urandom(2**16))
    pipe.execute()


def test_a_backup_that_was_killed_goes_on_where_it_was(keys: Keys, server: Server) -> None:
    client = raw(server)
    spread(client)
    before = digest(server)
    process = keys.start("backup", server.url, "--way", "scan", "--rate", "10000")
    until(lambda: keys.pieces() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    written = keys.pieces()
    assert written, said
    assert not list(keys.store.rglob("manifest.json"))
    with pytest.raises(UserError, match="There is no finished backup of url"):
        keys.restore(server.url, latest=True)
    made, said = keys.backup(server.url, way="scan")
    assert f"{made} was interrupted, and is gone on with" in said
    assert f"shard 0: {len(written)} pieces are in the store, and are not read again" in said
    assert written.items() <= keys.pieces().items()
    client.flushall()
    keys.restore(server.url, name=made)
    assert digest(server) == before


def test_a_restore_that_was_killed_goes_on_where_it_was(keys: Keys, lab: RedisLab, server: Server) -> None:
    client = raw(server)
    spread(client)
    before = digest(server)
    made, _ = keys.backup(server.url)
    client.flushall()
    # A pause of the server stops the restore somewhere in its pieces.
    process = keys.start("restore", server.url, "--id", made)
    marks = Path(os.environ["FWB_STATE"]) / "redis"
    until(lambda: list(marks.glob("*.pieces")) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    [marked] = marks.glob("*.pieces")
    done = len(marked.read_text().splitlines())
    assert client.dbsize() > 0
    # As it is taken up with other options, it would begin anew: these are the command's own.
    said = keys.restore(server.url, name=made, verify="sample")
    assert (
        f"an interrupted restore is gone on with: {done} of {len(keys.manifest(made).pieces)} pieces" in said
    )
    assert digest(server) == before
    assert not marked.exists()


@pytest.mark.parametrize("fault", ["bit", "missing", "cut", "manifest", "foreign", "functions"])
def test_a_damaged_backup_is_refused_before_anything_is_changed(
    keys: Keys, server: Server, fault: str
) -> None:
    client = raw(server)
    client.mset({f"k{n}": n for n in range(100)})
    client.function_load(LIBRARY)
    made, _ = keys.backup(server.url)
    [piece] = (keys.store / made / "shard-00").glob("*.resp.zst")
    data = piece.read_bytes()
    if fault == "bit":
        piece.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif fault == "missing":
        piece.unlink()
    elif fault == "cut":
        piece.write_bytes(data[:-1])
    elif fault == "functions":
        (keys.store / made / "functions.bin").write_bytes(b"x")
    else:
        path = keys.store / made / "manifest.json"
        text = path.read_text()
        path.write_text(text[:-40] if fault == "manifest" else text.replace(made, f"{made[:-2]}0Z"))
    client.flushall()
    with pytest.raises(UserError, match=f"{made} (is damaged|cannot be read|is that of)"):
        keys.restore(server.url, name=made)
    assert client.dbsize() == 0


def test_two_backups_at_once_have_two_names(keys: Keys, server: Server) -> None:
    client = raw(server)
    spread(client, 100)
    process = keys.start("backup", server.url, "--way", "scan", "--rate", "3000")
    until(lambda: list(keys.store.rglob("begun.json")) or process.poll() is not None)
    made, _ = keys.backup(server.url, way="scan")
    other = process.communicate()[0].splitlines()[-1]
    assert process.returncode == 0
    assert other != f"backup_id: {made}"
    assert len(list(keys.store.glob("*/manifest.json"))) == 2
