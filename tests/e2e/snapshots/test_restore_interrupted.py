"""A restore that is stopped somewhere, or for which there is hardly room."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import Any

import pytest
from snapshot_lab import Lab

from facts.valkey import CLOCK_DB
from filewallball.snapshots import catalogue, placing
from filewallball.snapshots.databases import STAGING
from filewallball.snapshots.manifest import Manifest

KEYS = 2000


@pytest.fixture
def taken(lab: Lab) -> Manifest:
    """A snapshot of many keys, and a set that has lost them since."""
    with lab.client() as client:
        client.mset({f"session:{number}": f"value {number}" for number in range(KEYS)})
    made = lab.take()
    lab.flush()
    with lab.client() as client:
        client.set("since", "the snapshot")
    return made


def read_until(process: subprocess.Popen[str], said: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if said in line:
            return
    raise AssertionError(f"it ended before {said!r}")


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.nightly), signal.SIGKILL])
def test_stopped_half_way_and_run_again(lab: Lab, taken: Manifest, number: signal.Signals) -> None:
    before = lab.contents()
    process = lab.start("restore", "--name", taken.name)
    read_until(process, "stage database 0:")
    process.send_signal(number)
    output, _ = process.communicate(timeout=100)
    killed = number == signal.SIGKILL
    assert process.returncode == (-number if killed else 1)
    staged = lab.as_backup(STAGING).dbsize()
    assert staged == (KEYS if killed else 0)
    assert {key: value for key, value in lab.contents().items() if key[0] != STAGING} == before
    if killed:
        # Nobody was left to take the lock away; it would go by itself.
        assert "Another restore is at work" in lab.run("restore", "--name", taken.name, code=1)
        left = lab.as_backup(CLOCK_DB).pexpiretime("fwb:restore") / 1000 - time.time()
        assert 0 < left <= 120
        lab.as_backup(CLOCK_DB).delete("fwb:restore")
    else:
        assert "Stopped by SIGTERM" in output
        assert "Users still have what they had" in output
    # What was staged and left is no part of what is put aside, and the latest is still the one from before.
    assert f"restore: OK {taken.name}" in lab.run("restore", "--latest")
    assert len(lab.contents()) == KEYS
    aside = [e.manifest for e in catalogue.entries(lab.store()) if e.manifest and e.manifest.before_restore]
    assert {one.keys for one in aside} == {1}


def test_a_primary_that_goes_away_meanwhile(
    lab: Lab, taken: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = lab.contents()
    real = placing.Placing._write

    def write(self: Any, number: int, group: Any) -> int:
        lab.servers.stop(lab.primary)  # hands over, as a pod that is drained
        return real(self, number, group)

    monkeypatch.setattr(placing.Placing, "_write", write)
    old = lab.primary
    output = lab.run("restore", "--name", taken.name, code=1)
    monkeypatch.undo()
    assert "Users still have what they had" in output
    assert "again: it starts from the beginning" in output
    lab.servers.start([old])
    del lab.primary
    assert {key: value for key, value in lab.contents().items() if key[0] != STAGING} == before
    assert f"restore: OK {taken.name}" in lab.run("restore", "--name", taken.name)
    lab.wait_same_everywhere()
    assert len(lab.contents()) == KEYS


def counted(lab: Lab) -> int:
    """Bytes that count towards maxmemory, and those that the replication backlog may still take."""
    info = lab.servers.client(lab.primary, "checks").info()
    backlog = info["repl_backlog_size"] - info["repl_backlog_histlen"]
    return info["used_memory"] - info["mem_not_counted_for_evict"] + backlog


def test_too_little_memory_for_both(lab: Lab) -> None:
    """What the set holds goes first; it was put aside."""
    with lab.client() as client:
        client.mset({f"large:{number}": "x" * 100_000 for number in range(80)})
    taken = lab.take()
    with lab.client() as client:
        client.mset({f"large:{number}": "y" * 100_000 for number in range(80)})
    agent = lab.servers.client(lab.primary, "agent")
    agent.config_set("maxmemory", counted(lab) + taken.memory - 2**20)
    try:
        said = lab.run("restore", "--name", taken.name)
    finally:
        agent.config_set("maxmemory", lab.servers.settings["maxmemory"])
    assert "the set is emptied first" in said
    assert f"restore: OK {taken.name}" in said
    lab.wait_same_everywhere()
    assert {value[0][:1] for value in lab.contents().values()} == {b"x"}
    assert len(lab.contents()) == 80


def test_a_set_that_could_never_hold_it(lab: Lab, taken: Manifest) -> None:
    agent = lab.servers.client(lab.primary, "agent")
    agent.config_set("maxmemory", taken.memory - 1)
    try:
        output = lab.run("restore", "--name", taken.name, code=1)
    finally:
        agent.config_set("maxmemory", lab.servers.settings["maxmemory"])
    assert "Raise filewallball:valkey.maxmemory" in output
    assert "The set was left as it is" in output
