"""Backups and restores of keys while nodes end, primaries change and slots move; and over S3."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from keys_lab import Keys, digest, of_cluster, raw, until
from redis.crc import key_slot
from redis_lab import RedisLab, Server
from s3_gateway import S3, gateway

SIZE = 2**14


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with gateway(tmp_path_factory.mktemp("s3")) as found:
        yield found


class Work:
    """A backup or a restore on a thread of its own, while the test does something to the servers."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._found: list[Any] = []
        self._thread.start()

    def _run(self) -> None:
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - told by result
            self._found.append(error)

    @property
    def ended(self) -> bool:
        return bool(self._found)

    def result(self) -> Any:
        self._thread.join(120)
        assert self._found, "it has not ended in 120 s"
        if isinstance(self._found[0], BaseException):
            raise self._found[0]
        return self._found[0]


def spread(servers: list[Server], count: int) -> None:
    """Keys over a cluster, of 16 KiB each, so that a piece is full after 512 of them."""
    owners: dict[int, Any] = {}
    for each in servers:
        found = raw(each)
        for first, last, (_, port, *_), *_ in found.execute_command("CLUSTER", "SLOTS"):
            if port == each.port:
                owners |= dict.fromkeys(range(first, last + 1), found)
    pipes = {id(each): each.pipeline(transaction=False) for each in owners.values()}
    for n in range(count):
        name = f"key:{n}"
        pipes[id(owners[key_slot(name.encode())])].set(name, b"%d-" % n + os.urandom(SIZE))
    for pipe in pipes.values():
        pipe.execute()


@contextmanager
def moving(servers: list[Server], slots: list[int]) -> Iterator[None]:
    """Move slots from the first primary to the second, with their keys; the last one half-way."""
    giver, taker = raw(servers[0]), raw(servers[1])
    ids = [each.execute_command("CLUSTER", "MYID").decode() for each in (giver, taker)]
    for slot in slots:
        taker.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
        giver.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
        names = giver.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        some = names[: len(names) // 2] if slot == slots[-1] else names
        if some:
            giver.execute_command("MIGRATE", "127.0.0.1", servers[1].port, "", 0, 5000, "KEYS", *some)
        if slot != slots[-1]:
            for each in (taker, giver):
                each.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])
    yield
    left = giver.execute_command("CLUSTER", "GETKEYSINSLOT", slots[-1], 1000)
    if left:
        giver.execute_command("MIGRATE", "127.0.0.1", servers[1].port, "", 0, 5000, "REPLACE", "KEYS", *left)
    for each in (taker, giver):
        each.execute_command("CLUSTER", "SETSLOT", slots[-1], "NODE", ids[1])


@pytest.mark.parametrize("way", ["scan", pytest.param("replica", marks=pytest.mark.nightly)])
def test_slots_move_during_both(keys: Keys, lab: RedisLab, way: str) -> None:
    servers = lab.cluster(3, 0, "cluster-node-timeout 15000")
    spread(servers, 3000)
    before = of_cluster(servers)
    assert len(before) == 3000
    held = sorted({key_slot(name) for _, name in before if key_slot(name) <= 5460})
    dev = keys.named("dev", servers)
    work = Work(lambda: keys.backup(dev, way=way, rate=20_000))
    until(lambda: keys.pieces() or work.ended)
    with moving(servers, held[:150]):
        made, said = work.result()
        assert "slots have moved meanwhile: their keys are read again" in said
        held_twice = keys.manifest(made)
        assert held_twice.total >= 3000
        assert any(piece.phase for piece in held_twice.pieces)
    assert of_cluster(servers) == before

    for each in servers:
        raw(each).flushall()
    work = Work(lambda: keys.restore(dev, name=made))
    until(lambda: of_cluster(servers) or work.ended)
    with moving(servers, held[150:300]):
        said = work.result()
    assert of_cluster(servers) == before, said


@pytest.mark.nightly
def test_a_node_of_a_cluster_ends_during_both(keys: Keys, lab: RedisLab) -> None:
    servers = lab.cluster(3, 1)
    spread(servers, 3000)
    before = of_cluster(servers)
    dev = keys.named("dev", servers)
    work = Work(lambda: keys.backup(dev, way="scan", rate=20_000))
    until(lambda: keys.pieces() or work.ended)
    servers[0].stop()
    made, said = work.result()
    assert "it is tried again" in said
    servers[0].start()
    until(lambda: raw(servers[0]).execute_command("ROLE")[0] == b"slave")

    for each in servers:
        if raw(each).execute_command("ROLE")[0] == b"master":
            raw(each).flushall()
    work = Work(lambda: keys.restore(dev, name=made))
    until(lambda: of_cluster(servers) or work.ended)
    servers[1].stop()
    said = work.result()
    assert of_cluster(servers) == before, said


def test_a_primary_of_a_sentinel_set_ends_during_both(keys: Keys, lab: RedisLab) -> None:
    servers, sentinels = lab.sentinel_set(1)
    client = raw(servers[0])
    pipe = client.pipeline(transaction=False)
    for n in range(1500):
        pipe.set(f"key:{n}", os.urandom(SIZE))
    pipe.execute()
    client.wait(1, 5000)
    before = digest(servers[0])
    dev = keys.named("dev", sentinels)
    work = Work(lambda: keys.backup(dev, way="scan", rate=15_000))
    until(lambda: keys.pieces() or work.ended)
    servers[0].stop()
    made, said = work.result()
    assert "shard 0: The connection to" in said
    assert len({piece.run for piece in keys.manifest(made).pieces}) == 1
    assert set(keys.pieces()) == {keys.store / piece.name for piece in keys.manifest(made).pieces}

    raw(servers[1]).flushall()
    servers[0].start()
    until(lambda: raw(servers[0]).execute_command("ROLE")[3:4] == [b"connected"])
    keys.restore(dev, name=made)
    assert digest(servers[1]) == before


def test_over_s3_with_a_profile(keys: Keys, single: Server, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    (s3.data / "backups").mkdir()
    home = keys.folder / "aws"
    home.write_text(
        f"[profile keys]\nregion = us-east-1\nendpoint_url = {s3.endpoint}\n"
        f"aws_access_key_id = {s3.access_key}\naws_secret_access_key = {s3.secret_key}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home))
    (keys.folder / ".env.local").write_text('S3_URI="s3://backups/redis"\nAWS_PROFILE="keys"\n')
    client = raw(single)
    client.flushall()
    client.mset({f"k{n}": n for n in range(1000)})
    before = digest(single)
    made, said = keys.backup(single.url, store=None)
    assert f"s3://backups/redis/ at {s3.endpoint}" in said
    assert (s3.data / "backups" / "redis" / made / "manifest.json").exists()
    client.flushall()
    keys.restore(single.url, latest=True, store=None)
    assert digest(single) == before
    client.flushall()
