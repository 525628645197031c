"""The backups in a store. One is a dump with its manifest beside it; a dump without a manifest is none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from filewallball.backup.manifest import Manifest, ManifestError
from filewallball.backup.names import MANIFEST_SUFFIX, backup_time
from filewallball.backup.packed import TAIL, PackedError, Unpacker, ends_complete
from filewallball.backup.store import Store, Stored
from filewallball.errors import UserError


class Damaged(UserError):
    """A stored backup is not what its manifest says."""


@dataclass(frozen=True)
class Entry:
    """One backup in the store: its manifest, or `problem`, which says why it cannot be used."""

    name: str
    time: datetime
    bytes: int
    manifest: Manifest | None
    problem: str = ""

    @property
    def verified(self) -> bool:
        """Whether the backup was restored and found equal before it was uploaded."""
        return self.manifest is not None and self.manifest.verified


def entries(store: Store) -> list[Entry]:
    """All backups, the newest first. One that is broken is listed with its problem. Raises StoreError."""
    dumps, manifests = _listed(store)
    return [
        _entry(store, name, time, dumps.get(name)) for name, time in sorted(manifests.items(), reverse=True)
    ]


def newest_verified(store: Store) -> Manifest | None:
    """The newest backup that was restored and found equal. Reads no more manifests than it must."""
    dumps, manifests = _listed(store)
    for name, time in sorted(manifests.items(), reverse=True):
        entry = _entry(store, name, time, dumps.get(name))
        if entry.verified:
            return entry.manifest
    return None


def find(store: Store, name: str) -> Manifest:
    """The manifest of the backup of that name. Raises Damaged, StoreError."""
    try:
        return Manifest.from_json(store.get(name + MANIFEST_SUFFIX))
    except ManifestError as error:
        raise Damaged(f"The manifest of {name} cannot be read: {error}.") from error


def check_stored(store: Store, manifest: Manifest) -> None:
    """Read the stored dump through: size, SHA-256, SQL's length, last line. Raises Damaged, StoreError."""
    digest, unpack, tail = hashlib.sha256(), Unpacker(), b""
    size = sql = 0
    try:
        for chunk in store.chunks(manifest.name):
            digest.update(chunk)
            size += len(chunk)
            for piece in unpack.feed(chunk):
                sql += len(piece)
                tail = (tail + piece)[-TAIL:]
        unpack.finish()
    except PackedError as error:
        raise _damaged(manifest, error.message) from error
    if size != manifest.bytes:
        raise _damaged(manifest, f"{size} bytes in the store, {manifest.bytes} in the manifest")
    if digest.hexdigest() != manifest.sha256:
        raise _damaged(manifest, f"its SHA-256 is {digest.hexdigest()}, the manifest says {manifest.sha256}")
    if sql != manifest.sql_bytes or not ends_complete(tail):
        raise _damaged(manifest, f"it unpacks to {sql} bytes, the manifest says {manifest.sql_bytes}")


def _damaged(manifest: Manifest, why: str) -> Damaged:
    return Damaged(
        f"{manifest.name} is damaged in the store: {why}",
        "Make a new backup, and do not restore from this one.",
    )


def _listed(store: Store) -> tuple[dict[str, Stored], dict[str, datetime]]:
    dumps: dict[str, Stored] = {}
    manifests: dict[str, datetime] = {}
    for item in store.list():
        name = item.key.removesuffix(MANIFEST_SUFFIX)
        time = backup_time(name)
        if time is None:
            continue
        if name == item.key:
            dumps[name] = item
        else:
            manifests[name] = time
    return dumps, manifests


def _entry(store: Store, name: str, time: datetime, dump: Stored | None) -> Entry:
    try:
        manifest = find(store, name)
    except Damaged as error:
        return Entry(name, time, dump.size if dump else 0, None, error.message)
    if dump is None:
        return Entry(name, time, 0, None, "the dump is missing")
    if manifest.name != name or manifest.bytes != dump.size:
        return Entry(
            name, time, dump.size, None, f"the manifest is about {manifest.name}, {manifest.bytes} bytes"
        )
    return Entry(name, time, dump.size, manifest)
