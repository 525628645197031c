from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.backup.manifest import Manifest, ManifestError, Position, Table
from filewallball.backup.names import backup_name, backup_time

TIME = datetime(2026, 2, 28, 17, 0, 5, tzinfo=UTC)
MANIFEST = Manifest(
    name="filewallball_backup_20260228_170005.sql.gz",
    created=TIME,
    bytes=10,
    sha256="ab" * 32,
    sql_bytes=100,
    database="filewallball_db",
    charset="utf8mb4",
    collation="utf8mb4_unicode_ci",
    server_version="10.11.19-MariaDB-log",
    snapshot=Position("bin.000001", 512, 1772290000),
    tables={"파일": Table(3, 4294967295, "cd" * 32)},
    objects={"view": {"v": "ef" * 32}},
    verified=True,
    verified_at=TIME + timedelta(seconds=9),
    restore_seconds=1.25,
)


def test_a_name_is_in_utc() -> None:
    seoul = datetime(2026, 3, 1, 2, 0, 5, tzinfo=timezone(timedelta(hours=9)))
    assert backup_name(seoul) == "filewallball_backup_20260228_170005.sql.gz"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        backup_name(datetime(2026, 3, 1))


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_the_time_comes_back(time: datetime) -> None:
    assert backup_time(backup_name(time)) == time.replace(microsecond=0)


@pytest.mark.parametrize(
    "name",
    [
        "filewallball_backup_20260228_170005.sql",
        "filewallball_backup_20260228_170005.sql.age",
        "filewallball_backup_20260228_170005.sql.xz",
        "filewallball_backup_20260228_170005.failed.json",
        "filewallball_backup_20260228_170005.sql.gz.manifest.json",
        "filewallball_backup_20261399_170005.sql.gz",
        "filewallball_backup_20260228_1700.sql.gz",
        "filewallball_backup_20260228_17000٥.sql.gz",
        "x_filewallball_backup_20260228_170005.sql.gz",
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert backup_time(name) is None


@pytest.mark.parametrize("ending", [".sql.gz", ".sql.zst", ".sql.gz.age", ".sql.zst.age"])
def test_every_packing_has_a_name_that_is_read_again(ending: str) -> None:
    name = backup_name(TIME, ending)
    assert name.endswith(ending)
    assert backup_time(name) == TIME.replace(microsecond=0)


def test_an_older_manifest_tells_nothing_of_how_it_was_packed() -> None:
    values = json.loads(MANIFEST.to_json())
    for key in ("compression", "recipients", "proof"):
        del values[key]
    del values["snapshot"]["begun"]
    found = Manifest.from_json(json.dumps(values).encode())
    assert found.snapshot == Position("bin.000001", 512)
    assert (found.compression, found.recipients, found.proof) == ("gzip", (), "")


def test_a_manifest_comes_back() -> None:
    sealed = replace(MANIFEST, compression="zstd", recipients=("age1x", "ssh-ed25519 AAAA"), proof="하나")
    assert Manifest.from_json(sealed.to_json()) == sealed
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    untried = replace(MANIFEST, verified=False, verified_at=None)
    assert Manifest.from_json(untried.to_json()) == untried


def test_the_third_verdict_comes_back() -> None:
    differing = replace(
        MANIFEST, verified=False, differences=("view v: 한",), locked_tables=("old",), locked_seconds=0.25
    )
    assert Manifest.from_json(differing.to_json()) == differing
    verdicts = (MANIFEST.verdict, differing.verdict, replace(MANIFEST, verified=False).verdict)
    assert verdicts == ("verified", "differs", None)
    assert [json.loads(one.to_json())["verdict"] for one in (MANIFEST, differing)] == ["verified", "differs"]


def test_an_older_manifest_is_read() -> None:
    new = ("verdict", "differences", "locked_tables", "locked_seconds")
    assert Manifest.from_json(broken(**dict.fromkeys(new))) == MANIFEST


def test_what_a_manifest_looks_like() -> None:
    values = json.loads(MANIFEST.to_json())
    assert values["created"] == "2026-02-28T17:00:05Z"
    assert values["snapshot"] == {"file": "bin.000001", "position": 512, "begun": 1772290000}
    assert values["tables"]["파일"]["rows"] == 3
    assert "파일" in MANIFEST.to_json().decode()


def broken(**changes: Any) -> bytes:
    values = json.loads(MANIFEST.to_json())
    for key, value in changes.items():
        if value is None:
            del values[key]
        else:
            values[key] = value
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "not a JSON object"),
        (broken(format=2), "format is 2"),
        (broken(sha256=None), "sha256 is missing"),
        (broken(bytes="10"), "bytes is '10'"),
        (broken(bytes=True), "bytes is True"),
        (broken(verified=1), "verified is 1"),
        (broken(name="other"), "not a backup's name"),
        (broken(created="yesterday"), "not a time"),
        (broken(created="2026-02-28T17:00:05"), "without a time zone"),
        (broken(differences="view v"), "differences is 'view v'"),
        (broken(differences=[1]), r"differences is \[1\]"),
        (broken(locked_seconds="1"), "locked_seconds is '1'"),
        (broken(tables={"t": {"rows": 1}}), "tables.t.checksum is missing"),
        (broken(tables={"t": 1}), "tables.t is not an object"),
        (broken(snapshot={"file": "x"}), "snapshot.position is missing"),
    ],
)
def test_a_broken_manifest_says_where(text: bytes, said: str) -> None:
    with pytest.raises(ManifestError, match=said):
        Manifest.from_json(text)
