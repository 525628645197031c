"""The backups in a store. One is a dump with its manifest beside it; a dump without a manifest is none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from filewallball.backup import age, shelf
from filewallball.backup.manifest import Manifest
from filewallball.backup.names import NAMING
from filewallball.backup.packed import TAIL, PackedError, ends_complete, opened
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import Store

Entry = shelf.Entry[Manifest]
_SHELF = shelf.Shelf(NAMING, Manifest.from_json, "dump")


def entries(store: Store) -> list[Entry]:
    """All backups, the newest first. One that is broken is listed with its problem. Raises StoreError."""
    return list(_SHELF.entries(store))


def newest_verified(store: Store) -> Manifest | None:
    """The newest backup that was restored and found equal. Reads no more manifests than it must.

    Not what a restore saved before it began: that is the state that somebody wanted to get rid of.
    """
    verified = (entry.manifest for entry in _SHELF.entries(store) if entry.verified)
    return next((each for each in verified if each and not each.before_restore), None)


def newest(store: Store) -> Manifest | None:
    """The newest backup that was restored on trial, whatever the verdict; none that a restore has saved."""
    found = (entry.manifest for entry in _SHELF.entries(store))
    return next((each for each in found if each and each.verdict and not each.before_restore), None)


def find(store: Store, name: str) -> Manifest:
    """The manifest of the backup of that name. Raises Damaged, StoreError."""
    return _SHELF.find(store, name)


def check_stored(store: Store, manifest: Manifest, keys: Sequence[age.Identity] = ()) -> None:
    """Read the stored dump through: size, SHA-256, SQL's length, last line. Raises Damaged, StoreError.

    Of one that is encrypted, without `keys`, the first two. Raises age.NoKey if none of the keys opens it.
    """
    if keys:
        age.check_opens(keys, manifest.recipients, manifest.name)
    stored = _Counted(store.chunks(manifest.name))
    sql, tail = 0, b""
    try:
        if manifest.recipients and not keys:
            for _ in stored:
                continue
        else:
            for piece in opened(stored, keys):
                sql += len(piece)
                tail = (tail + piece)[-TAIL:]
    except PackedError as error:
        raise _damaged(manifest, error.message) from error
    if stored.size != manifest.bytes:
        raise _damaged(manifest, f"{stored.size} bytes in the store, {manifest.bytes} in the manifest")
    if (found := stored.digest.hexdigest()) != manifest.sha256:
        raise _damaged(manifest, f"its SHA-256 is {found}, the manifest says {manifest.sha256}")
    if manifest.recipients and not keys:
        return
    if sql != manifest.sql_bytes or not ends_complete(tail):
        raise _damaged(manifest, f"it unpacks to {sql} bytes, the manifest says {manifest.sql_bytes}")


class _Counted(Iterator[bytes]):
    """The pieces as they come, counted and summed up."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self.digest = hashlib.sha256()
        self.size = 0

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        self.digest.update(piece)
        self.size += len(piece)
        return piece


def _damaged(manifest: Manifest, why: str) -> Damaged:
    return Damaged(
        f"{manifest.name} is damaged in the store: {why}",
        "Do not restore from this one. Run `fwb backup now STACK`, which makes a new one.",
    )
