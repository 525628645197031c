"""The backups in a store. One is a dump with its manifest beside it; a dump without a manifest is none."""

from __future__ import annotations

import hashlib

from filewallball.backup import shelf
from filewallball.backup.manifest import Manifest
from filewallball.backup.names import NAMING
from filewallball.backup.packed import TAIL, PackedError, Unpacker, ends_complete
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import Store

Entry = shelf.Entry[Manifest]
_SHELF = shelf.Shelf(NAMING, Manifest.from_json, "dump")


def entries(store: Store) -> list[Entry]:
    """All backups, the newest first. One that is broken is listed with its problem. Raises StoreError."""
    return list(_SHELF.entries(store))


def newest_verified(store: Store) -> Manifest | None:
    """The newest backup that was restored and found equal. Reads no more manifests than it must."""
    return next((entry.manifest for entry in _SHELF.entries(store) if entry.verified), None)


def newest(store: Store) -> Manifest | None:
    """The newest backup that was restored on trial, whatever the verdict."""
    found = (entry.manifest for entry in _SHELF.entries(store))
    return next((manifest for manifest in found if manifest and manifest.verdict), None)


def find(store: Store, name: str) -> Manifest:
    """The manifest of the backup of that name. Raises Damaged, StoreError."""
    return _SHELF.find(store, name)


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
        "Do not restore from this one. Run `fwb backup now STACK`, which makes a new one.",
    )
