"""What is damaged, unproven or in the way is refused, and the set keeps what it has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from local_set import wait_for
from snapshot_lab import Lab

from facts.valkey import CLOCK_DB
from filewallball.snapshots import job, placing
from filewallball.snapshots.databases import STAGING
from filewallball.snapshots.manifest import Manifest


@pytest.fixture
def taken(lab: Lab) -> Iterator[Manifest]:
    """A snapshot, and a set that has gone on since; at the end it must be as it was."""
    with lab.client() as client:
        client.mset({f"session:{number}": f"value {number}" for number in range(50)})
    made = lab.take()
    with lab.client() as client:
        client.set("since", "the snapshot")
    kept = lab.contents()
    yield made
    assert lab.contents() == kept
    assert lab.as_backup(STAGING).dbsize() == 0
    assert lab.as_backup(CLOCK_DB).get("fwb:restore") is None


def put(lab: Lab, key: str, content: bytes) -> None:
    lab.store().delete(key)
    lab.store().put(content, key)


def change(lab: Lab, manifest: Manifest, **values: Any) -> None:
    about = json.loads(manifest.to_json()) | values
    put(lab, f"{manifest.name}.manifest.json", json.dumps(about).encode())


def refused(lab: Lab, manifest: Manifest, *said: str) -> None:
    output = lab.run("restore", "--name", manifest.name, code=1)
    for one in ("FAILED", "The set was left as it is", *said):
        assert one in output
    assert "saving what" not in output


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_damaged_file(lab: Lab, taken: Manifest) -> None:
    content = lab.store().get(taken.name)
    put(lab, taken.name, flipped(content, len(content) // 2))
    refused(lab, taken, "damaged in the store: its SHA-256 is")


def test_a_file_that_was_damaged_on_the_stores_disk(lab: Lab, taken: Manifest) -> None:
    path = lab.file(taken.name)
    path.write_bytes(flipped(path.read_bytes(), 100))
    refused(lab, taken, "damaged in the store")


def test_a_file_that_no_server_loads_though_its_checksum_is_right(lab: Lab, taken: Manifest) -> None:
    content = flipped(lab.store().get(taken.name), taken.bytes - 1)
    put(lab, taken.name, content)
    change(lab, taken, sha256=hashlib.sha256(content).hexdigest())
    refused(lab, taken, "cannot be loaded by a server")


def test_a_file_of_other_keys_than_the_manifest_tells_of(lab: Lab, taken: Manifest) -> None:
    other = json.loads(taken.to_json())["databases"]
    other["0"]["digest"] = "0" * 64
    change(lab, taken, databases=other)
    refused(lab, taken, "a server that loaded it holds other data than when it was taken")


def test_one_that_was_never_loaded(lab: Lab, taken: Manifest) -> None:
    change(lab, taken, verified=False)
    refused(lab, taken, "was never loaded by a server")
    assert "no verified snapshot with keys" in lab.run("restore", "--latest", code=1)


def test_one_that_is_not_there(lab: Lab, taken: Manifest) -> None:
    assert "There is no snapshot" in lab.run(
        "restore", "--name", "valkey_snapshot_20200101_000000.rdb", code=1
    )


def test_two_restores_at_once(lab: Lab, taken: Manifest) -> None:
    with lab.as_backup(CLOCK_DB) as client:
        client.set("fwb:restore", "another's", ex=60)
        refused(lab, taken, "Another restore is at work")
        client.delete("fwb:restore")


def test_a_copy_that_is_not_equal_is_not_put_in_place(
    lab: Lab, taken: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two values change places on their way: the comparison finds it."""
    real = placing.Placing._write

    def write(self: Any, number: int, group: Any) -> int:
        first, second = self._copy.dumps(number, group)[:2]
        written = real(self, number, group)
        for key, dump in zip(group, (second, first), strict=False):
            self._staging.execute_command("RESTORE", key.name, 0, dump, "REPLACE")
        return written

    monkeypatch.setattr(placing.Placing, "_write", write)
    output = lab.run("restore", "--name", taken.name, code=1)
    assert "2 keys differ, 0 are missing, 48 are equal" in output
    assert "Users still have what they had" in output


def test_without_a_throwaway_server(lab: Lab, taken: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    from filewallball.snapshots import throwaway

    monkeypatch.setattr(throwaway, "_START_SECONDS", 0.1)
    lab.throwaway.close()
    assert "throw-away server does not answer" in lab.run("run", code=1)
    refused_before_any = lab.run("restore", "--latest", code=1)
    assert "throw-away server does not answer" in refused_before_any


def test_no_room_to_work_in(lab: Lab, taken: Manifest) -> None:
    output = lab.run("run", code=1, FWB_WORK_SIZE="1k")
    assert "filewallball:valkey.snapshots.workSize" in output


def test_the_wrong_password(lab: Lab, taken: Manifest) -> None:
    (lab.secrets / "backup").write_text("wrong")
    output = lab.run("run", code=1)
    assert "invalid username-password pair" in output
    assert "Secret" in output
    (lab.secrets / "backup").write_text(lab.servers.passwords["backup"])
    (lab.secrets / "sentinel").write_text("wrong")
    assert "refuses" in lab.run("run", code=1)


def test_an_emptied_set_is_a_snapshot_but_never_the_latest(lab: Lab) -> None:
    lab.flush()
    taken = lab.take()
    assert (taken.keys, taken.verified) == (0, True)
    assert "no verified snapshot with keys" in lab.run("restore", "--latest", code=1)


def test_a_replica_that_hands_over_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.flush()
    empty = lab.take()
    with lab.client() as client:
        client.set("a", "1")

    def transfer(taking: Any, servers: Any, path: Any) -> Any:
        path.write_bytes(lab.file(empty.name).read_bytes())
        return servers[0], job.Transferred(path, empty.bytes, empty.sha256)

    monkeypatch.setattr(job, "_transfer", transfer)
    assert "no keys, but the primary holds 1" in lab.run("run", code=1)
    assert [entry.name for entry in job.catalogue.entries(lab.store())] == [empty.name]
    wait_for(lambda: lab.client().get("a"), 1, lambda: "gone")
