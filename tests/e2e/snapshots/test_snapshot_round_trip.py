"""Sessions go into a snapshot and come back from it: real servers, Sentinels and agents, no cluster."""

from __future__ import annotations

import hashlib
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from local_set import wait_for
from snapshot_lab import Lab

from filewallball.snapshots import catalogue, comparing, placing

SESSIONS = 300
# As sessions are written by an application, of every type and in every form that the server keeps it in.
HOUR = 3600


def fill(lab: Lab) -> None:
    with lab.client() as client:
        pipeline = client.pipeline(transaction=False)
        for number in range(SESSIONS):
            fields = {"user": f"사용자-{number}", "page": "x" * (number % 90), "cart": b"\x00\xff" * 40}
            pipeline.hset(f"session:{number}", mapping=fields)
            pipeline.expire(f"session:{number}", HOUR + number)
        pipeline.hset("wide", mapping={f"field-{number}": number for number in range(700)})
        pipeline.set("12345", "7")
        pipeline.set(b"\x00binary\r\n", b"\xff" * 100, px=HOUR * 1000 + 7)
        pipeline.set("k" * 300, "a long key")
        pipeline.set("big", b"0123456789" * 600_000)
        pipeline.sadd("numbers", *range(50))
        pipeline.sadd("words", *(f"word-{number}" for number in range(400)))
        pipeline.zadd("board", {f"player-{number}": number / 3 for number in range(300)})
        pipeline.rpush("queue", *("q" * 50 for _ in range(400)))
        pipeline.xadd("log", {"a": "b"}, id="5-1")
        pipeline.xgroup_create("log", "readers", id="0")
        pipeline.xreadgroup("readers", "me", {"log": ">"})
        pipeline.execute()
    with lab.client(database=13) as client:
        client.set("elsewhere", "too", ex=HOUR)


def idle_since(lab: Lab, key: str) -> int:
    with lab.client() as client:
        return int(client.object("idletime", key))


def clock_epoch(lab: Lab) -> str | None:
    return lab.servers.client(lab.primary, "checks", db=15).hmget("fwb:clock", "epoch")[0]


def test_everything_comes_back_after_a_flush(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lab)
    with lab.client() as client:
        client.set("short", "expires before it is restored", ex=HOUR // 2)
    lab.wait_same_everywhere()
    written = lab.contents()
    taken = lab.take()
    assert taken.keys == len(written)
    assert set(taken.databases) == {0, 13}, "the agents' clock is no session"
    assert taken.source.startswith("replica ")
    content = lab.file(taken.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == taken.sha256
    del written[0, b"short"]
    # Most of an hour later.
    later = SimpleNamespace(time=lambda: time.time() + HOUR * 0.9, monotonic=time.monotonic, sleep=time.sleep)
    for module in (placing, comparing):
        monkeypatch.setattr(module, "time", later)

    lab.flush()
    with lab.client() as client:
        client.set("newer", "than the snapshot")
    with lab.client(database=5) as client:
        client.set("newer", "in a database that was empty")
    said = lab.run("restore", "--latest")
    assert f"restore: OK {taken.name}" in said
    assert "1 have expired since the snapshot" in said
    assert "2 replicas followed it" in said
    lab.wait_same_everywhere()
    assert lab.contents() == written
    assert [role == "master" for role in lab.servers.roles().values()].count(True) == 1
    wait_for(lambda: clock_epoch(lab), 5, lambda: "no clock")
    assert lab.servers.named() == [lab.primary.pod.name] * len(lab.servers.sentinels)

    # What was there before was put aside, and comes back by its name; the latest is still the one before.
    aside = next(
        e.manifest for e in catalogue.entries(lab.store()) if e.manifest and e.manifest.before_restore
    )
    assert (aside.keys, aside.before_restore) == (2, taken.name)
    assert catalogue.latest(lab.store()) == taken
    lab.run("restore", "--name", aside.name)
    assert sorted(lab.contents()) == [(0, b"newer"), (5, b"newer")]


def test_keys_keep_their_place_in_the_line_of_those_that_make_room(lab: Lab) -> None:
    with lab.client() as client:
        client.set("old", "1")
        wait_for(lambda: client.object("idletime", "old") >= 2, 10, lambda: "not idle")
    taken = lab.take()
    lab.flush()
    lab.run("restore", "--name", taken.name)
    assert idle_since(lab, "old") >= 2


def test_a_snapshot_while_others_write(lab: Lab) -> None:
    """The file is one moment's: with two keys written in one transaction, both or neither are as new."""
    fill(lab)
    writing = Writing(lab)
    try:
        taken = [lab.take() for _ in range(2)]
        said = lab.run("restore", "--name", taken[0].name)
    finally:
        writing.stop()
    assert "compare database 0" in said
    assert writing.failures == []
    for manifest in taken:
        assert manifest.keys >= SESSIONS
    # Whoever writes during the restore finds the staged data in place at once: never an empty set.
    assert writing.seen_without_sessions == 0
    lab.wait_same_everywhere()


class Writing:
    """A client that writes pairs and looks at an old session all the time."""

    def __init__(self, lab: Lab) -> None:
        self.failures: list[str] = []
        self.seen_without_sessions = 0
        self._over = threading.Event()
        self._client: Any = lab.client()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._over.wait(0.005):
            number += 1
            pipeline = self._client.pipeline(transaction=True)
            pipeline.set("left", number).set("right", number).get("left").get("right").exists("session:1")
            answers = pipeline.execute()
            if answers[2] != answers[3]:
                self.failures.append(f"{answers[2]} and {answers[3]}")
            self.seen_without_sessions += answers[4] == 0

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        self._client.close()


def test_too_many_are_removed(lab: Lab) -> None:
    with lab.client() as client:
        client.set("a", "1")
    first = lab.take()
    assert "none too many" in lab.run("run", FWB_SNAPSHOTS_KEEP="2")
    assert "1 removed, 2 kept" in lab.run("run", FWB_SNAPSHOTS_KEEP="2")
    assert first.name not in [entry.name for entry in catalogue.entries(lab.store())]
    assert not lab.file(first.name).exists()
    lab.flush()
    assert "none too many, 3 kept" in lab.run("run", FWB_SNAPSHOTS_KEEP="2"), "an empty one pushes none out"


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_a_list(lab: Lab, arguments: tuple[str, ...]) -> None:
    assert ("No snapshots" in lab.run("list", *arguments)) is (not arguments)
    with lab.client() as client:
        client.set("a", "1")
    taken = lab.take()
    [line] = lab.run("list", *arguments).splitlines()
    assert taken.name in line
    assert ('"latest": true' in line) if arguments else line.endswith("1 keys  verified")
