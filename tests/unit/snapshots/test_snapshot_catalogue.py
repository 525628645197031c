"""Names, manifests, and what counts as a snapshot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from filewallball.backup.fields import ManifestError
from filewallball.backup.names import MANIFEST_SUFFIX
from filewallball.backup.store import Stored
from filewallball.snapshots import catalogue
from filewallball.snapshots.manifest import Content, Manifest
from filewallball.snapshots.names import snapshot_name, snapshot_time

TIME = datetime(2026, 3, 1, 2, 15, 0, tzinfo=UTC)


def made(hour: int, **changes: Any) -> Manifest:
    time = TIME + timedelta(hours=hour)
    manifest = Manifest(
        name=snapshot_name(time), created=time, bytes=10, sha256="0" * 64, server_version="8.1.1",
        source="replica 10.0.0.1:6379", databases={0: Content(3, 2, "ab"), 13: Content(1, 0, "cd")},
        memory=4096, verified=True, verified_at=time, functions={"lib": "ef"},
    )  # fmt: skip
    return replace(manifest, **changes)


class FakeStore:
    """Objects in a dictionary, with what catalogue asks of a Store."""

    def __init__(self, *manifests: Manifest) -> None:
        self.objects: dict[str, bytes] = {}
        for manifest in manifests:
            self.objects[manifest.name] = b"x" * manifest.bytes
            self.objects[manifest.name + MANIFEST_SUFFIX] = manifest.to_json()

    def list(self) -> Iterator[Stored]:
        for key, content in sorted(self.objects.items()):
            yield Stored(key, len(content), TIME)

    def get(self, key: str) -> bytes:
        return self.objects[key]

    def chunks(self, key: str) -> Iterator[bytes]:
        yield self.objects[key][:4]
        yield self.objects[key][4:]

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)


def store(*manifests: Manifest) -> Any:
    return FakeStore(*manifests)


def test_a_name_has_the_time_in_utc() -> None:
    seoul = datetime(2026, 3, 1, 11, 15, 0, tzinfo=timezone(timedelta(hours=9)))
    assert snapshot_name(seoul) == "valkey_snapshot_20260301_021500.rdb"
    assert snapshot_time(snapshot_name(seoul)) == TIME
    with pytest.raises(ValueError, match="time zone"):
        snapshot_name(datetime(2026, 3, 1))


@pytest.mark.parametrize(
    "name",
    ["valkey_snapshot_20261399_000000.rdb", "valkey_snapshot_20260301_021500.rdb.manifest.json", "x",
     "filewallball_backup_20260301_021500.sql.gz"],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert snapshot_time(name) is None


@pytest.mark.parametrize("before", [None, "valkey_snapshot_20260301_011500.rdb"])
def test_a_manifest_comes_back_as_it_was(before: str | None) -> None:
    manifest = made(0, before_restore=before)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.keys == 4


def test_a_manifest_of_the_first_version() -> None:
    """It knew of databases 0 to 13, and of no functions."""
    values = json.loads(made(0).to_json()) | {"format": 1}
    del values["functions"]
    found = Manifest.from_json(json.dumps(values).encode())
    assert found == made(0, functions={}, format=1)
    assert list(found.covered) == list(range(14))
    assert list(made(0).covered) == list(range(16))
    assert Manifest.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 3}, "format is 3, this program reads 2"),
        ({"functions": 3}, "functions is 3"),
        ({"functions": {"lib": 3}}, "functions.lib is 3"),
        ({"name": "x"}, "name is 'x'"),
        ({"bytes": "10"}, "bytes is '10'"),
        ({"verified": 1}, "verified is 1"),
        ({"created": "2026-03-01T02:15:00"}, "without a time zone"),
        ({"databases": {"a": {}}}, "databases.a: not a database's number"),
        ({"databases": {"0": {"keys": 1, "expires": 0}}}, "databases.0.digest is missing"),
        ({"databases": {"0": 3}}, "databases.0 is not an object"),
        ({"before_restore": "x"}, "before_restore is 'x'"),
    ],
)
def test_a_manifest_that_is_wrong(changes: dict[str, Any], said: str) -> None:
    values = json.loads(made(0).to_json()) | changes
    with pytest.raises(ManifestError, match=said):
        Manifest.from_json(json.dumps(values).encode())


def test_only_a_whole_snapshot_counts() -> None:
    good, torn, lost, untried = made(0), made(1), made(2), made(3, verified=False, verified_at=None)
    found = store(good, torn, lost, untried)
    found.objects[torn.name] += b"more"
    del found.objects[lost.name]
    found.objects[made(4).name] = b"no manifest beside it"
    found.objects[made(5).name + MANIFEST_SUFFIX] = b"{not json"
    found.objects["notes.txt"] = b""
    listed = {entry.name: (entry.verified, entry.problem) for entry in catalogue.entries(found)}
    assert listed[good.name] == (True, "")
    assert "10 bytes" in listed[torn.name][1]
    assert listed[lost.name][1] == "the file is missing"
    assert listed[untried.name] == (False, "")
    assert made(4).name not in listed
    assert "not JSON" in listed[made(5).name][1]
    assert catalogue.newest_verified(found) == good


def test_the_latest_is_no_empty_one_and_none_that_a_restore_put_aside() -> None:
    wanted = made(0)
    aside = made(1, before_restore=wanted.name)
    empty = made(2, databases={})
    found = store(wanted, aside, empty, made(3, verified=False))
    assert catalogue.latest(found) == wanted
    assert catalogue.newest_verified(found) == empty
    assert catalogue.latest(store(aside, empty)) is None


@pytest.mark.parametrize(("content", "said"), [(b"x" * 9, "9 bytes"), (b"y" * 10, "SHA-256")])
def test_a_file_that_is_not_what_its_manifest_says(content: bytes, said: str) -> None:
    digest = "fff1cfe2bad1aa2bdc6ef0e4b3b5e3cc2b2b4f7d6f1c4c3d3c7a4e4f7a3a7b1c"
    manifest = made(0, sha256=digest)
    found = store(manifest)
    found.objects[manifest.name] = content
    with pytest.raises(catalogue.Damaged, match=said):
        catalogue.check_stored(found, manifest)


def test_the_newest_are_kept_and_empty_ones_push_out_none_that_hold_keys() -> None:
    full = [made(hour) for hour in range(5)]
    empty = [made(hour, databases={}) for hour in range(10, 15)]
    broken = made(20)
    found = store(*full, *empty, broken)
    found.objects[broken.name] = b""
    gone = catalogue.expendable(catalogue.entries(found), keep=2)
    assert sorted(gone) == sorted([*(one.name for one in full[:3]), *(one.name for one in empty[:3])])
    for name in gone:
        catalogue.remove(found, name)
    left = [entry.name for entry in catalogue.entries(found) if entry.verified]
    assert left == [empty[4].name, empty[3].name, full[4].name, full[3].name]


def test_fewer_than_are_kept() -> None:
    assert catalogue.expendable(catalogue.entries(store(made(0))), keep=1) == []
