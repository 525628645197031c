"""What the roles at AWS allow is what the code asks for: no action is missing, and none is too many.

The role of each account is written as the policy of a bucket, for a user of a server that enforces it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
from s3_gateway import S3, Recorded, gateway
from test_store import about, dump_in

from components import grants, schema
from filewallball.backup import catalogue
from filewallball.backup import job as backup_job
from filewallball.backup import store as store_module
from filewallball.backup.abilities import Abilities
from filewallball.backup.leftovers import sweep_parts
from filewallball.backup.manifest import Manifest
from filewallball.backup.names import NAMING, Naming
from filewallball.backup.publish import publish
from filewallball.backup.settings import StoreSettings
from filewallball.backup.snapshot import Snapshot
from filewallball.backup.store import Store, StoreError
from filewallball.binlogs import catalogue as binlogs
from filewallball.binlogs import names
from filewallball.binlogs.begin import Begin
from filewallball.binlogs.names import LogFile, Piece
from filewallball.snapshots import catalogue as snapshots
from filewallball.snapshots.manifest import Content
from filewallball.snapshots.manifest import Manifest as SnapshotManifest
from filewallball.snapshots.names import NAMING as SNAPSHOTS

TIME = datetime(2026, 3, 1, 2, 0, 0, tzinfo=UTC)
PREFIX = "team/"
BEGIN = Begin(TIME, broken=False, why="It is the first.")
PIECE = Piece(1, LogFile("binlog.000001", 1), 0, 9, size=6 * 2**20)
BY_PURPOSE = {grant.purpose: grant for grant in grants.GRANTS}


class Gate:
    """A bucket, and users of it who may do what the roles allow."""

    def __init__(self, s3: S3, folder: Path) -> None:
        self.s3 = s3
        self.folder = folder
        self.bucket = s3.data / f"grants-{secrets.token_hex(4)}"
        self.bucket.mkdir()
        self.aws = schema.Aws(
            bucket=self.bucket.name, region="us-east-1", account="1" * 12, eks_cluster="production"
        )
        self.root: Any = boto3.client(
            "s3", endpoint_url=s3.endpoint, region_name="us-east-1",
            aws_access_key_id=s3.access_key, aws_secret_access_key=s3.secret_key,
        )  # fmt: skip

    def statements(self, grant: grants.Grant) -> list[dict[str, Any]]:
        return grants.rights(grant, self.aws, PREFIX)["Statement"]

    def allow(self, user: str, statements: list[dict[str, Any]]) -> None:
        """Write statements as the bucket's policy; the server knows no conditions."""
        told = [
            {
                "Principal": {"AWS": [user]},
                **{key: value for key, value in each.items() if key != "Condition"},
            }
            for each in statements
        ]
        document = {"Version": "2012-10-17", "Statement": told}
        self.root.put_bucket_policy(Bucket=self.bucket.name, Policy=json.dumps(document))

    def user(self, grant: grants.Grant) -> tuple[str, StoreSettings]:
        """A user who has the rights, and how they reach the bucket."""
        name = f"{grant.purpose}-{secrets.token_hex(4)}"
        secret = self.s3.add_user(name)
        self.allow(name, self.statements(grant))
        where = StoreSettings(
            self.bucket.name, PREFIX, self.s3.endpoint, "us-east-1", access_key=name, secret_key=secret
        )
        return name, where

    def unfinished(self) -> list[Any]:
        return self.root.list_multipart_uploads(Bucket=self.bucket.name).get("Uploads", [])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with gateway(tmp_path_factory.mktemp("s3"), users=True) as found:
        yield found


@pytest.fixture
def gate(server: S3, tmp_path: Path) -> Iterator[Gate]:
    made = Gate(server, tmp_path)
    yield made
    shutil.rmtree(made.bucket)


@dataclass(frozen=True)
class Things:
    """What is stored: a dump and a snapshot, each with its manifest."""

    taken: Snapshot
    manifest: Manifest
    snapshot: SnapshotManifest
    file: Path
    gate: Gate
    recorded: Recorded


@pytest.fixture
def things(gate: Gate, tmp_path: Path, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> Things:
    monkeypatch.setattr(store_module, "PART", 5 * 2**20)
    file = tmp_path / "snapshot.rdb"
    file.write_bytes(bytes(6 * 2**20))
    snapshot = SnapshotManifest(
        name="valkey_snapshot_20260301_020000.rdb", created=TIME, bytes=file.stat().st_size,
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(), server_version="8.1.0", source="replica a:1",
        databases={0: Content(1, 0, "0")}, memory=1, verified=True, verified_at=TIME,
    )  # fmt: skip
    taken = dump_in(tmp_path)
    return Things(taken, about(taken), snapshot, file, gate, recorded)


def at_aws(settings: StoreSettings) -> Store:
    """A store of which nothing has to be found out first, as AWS is."""
    store = Store(settings)
    store._known = Abilities(parts_guard=True)
    return store


def interrupted(store: Store, key: str, things: Things) -> None:
    """An upload in parts that ends half-way leaves nothing behind."""

    class Cut(Exception):
        pass

    def cut(**_: Any) -> Any:
        raise Cut

    upload = store._client.upload_part
    store._client.upload_part = cut  # type: ignore[method-assign]
    with pytest.raises(Cut):
        store.put_file(things.file, key)
    store._client.upload_part = upload  # type: ignore[method-assign]
    assert not things.gate.unfinished()


def unproven(store: Store, path: Path, about: Any) -> None:
    """What can't be read back as it was is taken away again."""

    def wrong(_: Any) -> None:
        raise StoreError("not what was stored")

    with pytest.raises(StoreError, match="not what was stored"):
        publish(store, path, [about], wrong)
    assert not store.exists(about.name)


def assert_swept(store: Store, naming: Naming) -> None:
    """Uploads that broke off may be looked for."""
    said: list[str] = []
    sweep_parts(store, naming, said.append)
    assert said == []


def back_up(settings: StoreSettings, things: Things) -> None:
    store = at_aws(settings)
    store.check()
    made = backup_job.upload(store, things.taken, things.manifest)
    assert backup_job.upload(store, things.taken, things.manifest).name != made.name
    assert catalogue.newest_verified(store) is not None
    assert [each.verified for each in catalogue.entries(store)] == [True, True]
    catalogue.check_stored(store, catalogue.find(store, made.name))
    unproven(store, things.file, replace(things.manifest, name="filewallball_backup_20260304_020000.sql.gz"))
    interrupted(store, "filewallball_backup_20260305_020000.sql.gz", things)
    assert_swept(store, NAMING)
    # The shipper of the binary log has the same role.
    logs = at_aws(binlogs.below(store).settings)
    logs.put(BEGIN.to_json(), names.begin_key(1))
    logs.put_file(things.file, PIECE.key)
    assert [timeline.pieces for timeline in binlogs.timelines(logs)] == [(PIECE,)]
    assert binlogs.begin_of(logs, 1) == BEGIN
    logs.delete(PIECE.key)


def take_snapshots(settings: StoreSettings, things: Things) -> None:
    store = at_aws(replace(settings, prefix=f"{PREFIX}valkey/"))
    store.check()
    made = publish(store, things.file, [things.snapshot], lambda one: snapshots.check_stored(store, one))
    found = snapshots.find(store, made.name)
    snapshots.check_stored(store, found, things.gate.folder / "copy")
    unproven(store, things.file, replace(things.snapshot, name="valkey_snapshot_20260304_020000.rdb"))
    interrupted(store, "valkey_snapshot_20260305_020000.rdb", things)
    assert_swept(store, SNAPSHOTS)
    snapshots.remove(store, made.name)
    assert snapshots.entries(store) == []


def check(settings: StoreSettings, things: Things) -> None:
    """What the checks do, with what others have stored."""
    root = things.gate.s3
    own = replace(settings, access_key=root.access_key, secret_key=root.secret_key)
    made = backup_job.upload(at_aws(own), things.taken, things.manifest)
    kept = at_aws(replace(own, prefix=f"{PREFIX}valkey/"))
    publish(kept, things.file, [things.snapshot], lambda one: snapshots.check_stored(kept, one))
    things.recorded.calls.clear()
    store = at_aws(settings)
    assert catalogue.newest_verified(store)
    assert binlogs.windows(store).windows == ()
    assert binlogs.begin_of(binlogs.below(store), 1) is None
    catalogue.check_stored(store, catalogue.find(store, made.name))
    assert snapshots.newest_verified(at_aws(replace(settings, prefix=f"{PREFIX}valkey/")))


FLOWS: dict[str, Callable[[StoreSettings, Things], None]] = {
    "backup": back_up,
    "valkey-snapshot": take_snapshots,
    "checks": check,
}


def test_every_account_has_its_flow() -> None:
    assert set(FLOWS) == set(BY_PURPOSE)


@pytest.mark.parametrize("purpose", FLOWS)
def test_the_role_is_enough_and_holds_no_action_too_many(
    purpose: str, gate: Gate, things: Things, recorded: Recorded
) -> None:
    grant = BY_PURPOSE[purpose]
    FLOWS[purpose](gate.user(grant)[1], things)
    statements = gate.statements(grant)
    assert recorded.actions() == {action for each in statements for action in each["Action"]}
    listed, touched = statements[0]["Condition"]["StringLike"]["s3:prefix"], statements[1]["Resource"]
    for operation, parameters in recorded.calls:
        if "Key" in parameters:
            name = f"arn:aws:s3:::{gate.bucket.name}/{parameters['Key']}"
            assert any(fnmatchcase(name, each) for each in touched), (operation, name)
        else:
            assert any(fnmatchcase(parameters["Prefix"], each) for each in listed), parameters
    # And each pattern is there for something.
    used = {parameters.get("Prefix", parameters.get("Key")) for _, parameters in recorded.calls}
    for each in listed:
        assert any(fnmatchcase(str(name), each) for name in used), each


MISSING = [
    (grant.purpose, action)
    for grant in grants.GRANTS
    for action in (grants.LIST, *((grants.PARTS, *grants.WRITE) if grant.writes else grants.READ))
]


@pytest.mark.parametrize(("purpose", "action"), MISSING)
def test_an_action_that_is_missing_shows(purpose: str, action: str, gate: Gate, things: Things) -> None:
    grant = BY_PURPOSE[purpose]
    user, settings = gate.user(grant)
    left = [
        {**each, "Action": [one for one in each["Action"] if one != action]}
        for each in gate.statements(grant)
    ]
    gate.allow(user, [each for each in left if each["Action"]])
    with pytest.raises((StoreError, AssertionError)):
        FLOWS[purpose](settings, things)


@pytest.mark.parametrize("purpose", FLOWS)
def test_nobody_touches_what_is_anothers(purpose: str, gate: Gate) -> None:
    _, settings = gate.user(BY_PURPOSE[purpose])
    store = at_aws(replace(settings, prefix=""))
    theirs = {
        "backup": f"{PREFIX}valkey/valkey_snapshot_1",
        "valkey-snapshot": f"{PREFIX}filewallball_backup_1",
        "checks": "other/filewallball_backup_1",
    }[purpose]
    gate.root.put_object(Bucket=gate.bucket.name, Key=theirs, Body=b"x")
    forbidden: list[Callable[[], object]] = [
        lambda: store.get(theirs),
        lambda: store.delete(theirs),
        lambda: store.put(b"y", f"{theirs}2"),
        lambda: store.put(b"y", f"{PREFIX}notes.txt"),
    ]
    if purpose == "checks":
        forbidden += [
            lambda: store.put(b"y", f"{PREFIX}filewallball_backup_2"),
            lambda: store.delete(f"{PREFIX}filewallball_backup_2"),
        ]
    for attempt in forbidden:
        with pytest.raises(StoreError, match="AccessDenied"):
            attempt()
    assert gate.root.get_object(Bucket=gate.bucket.name, Key=theirs)["Body"].read() == b"x"
