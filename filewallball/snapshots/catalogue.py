"""The snapshots in a store. One is an RDB file with its manifest beside it; without a manifest it is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from filewallball.backup import shelf
from filewallball.backup.names import MANIFEST_SUFFIX
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import Store
from filewallball.errors import UserError, nearest
from filewallball.snapshots.manifest import Manifest
from filewallball.snapshots.names import NAMING

Entry = shelf.Entry[Manifest]
_SHELF = shelf.Shelf(NAMING, Manifest.from_json, "file")


def entries(store: Store) -> list[Entry]:
    """All snapshots, the newest first. One that is broken is listed with its problem. Raises StoreError."""
    return list(_SHELF.entries(store))


def newest_verified(store: Store) -> Manifest | None:
    """The newest snapshot that a server has loaded. Reads no more manifests than it must."""
    return next((entry.manifest for entry in _SHELF.entries(store) if entry.verified), None)


def latest(store: Store) -> Manifest | None:
    """What `restore --latest` means: the newest verified one with keys that no restore has taken.

    What a restore puts aside is just what its user wanted to be rid of; an emptied set isn't worth restoring.
    """
    for entry in _SHELF.entries(store):
        found = entry.manifest
        if found and found.verified and found.keys and not found.before_restore:
            return found
    return None


def find(store: Store, name: str) -> Manifest:
    """The manifest of the snapshot of that name. Raises UserError if there is none, Damaged, StoreError."""
    there = [each.key.removesuffix(MANIFEST_SUFFIX) for each in store.list() if MANIFEST_SUFFIX in each.key]
    if name not in there:
        raise UserError(
            f"There is no snapshot {name} in {store.settings.where}.",
            f"{nearest(name, reversed(there), 'Snapshots')} Choose one that `fwb valkey backup list STACK` "
            "shows.",
        )
    return _SHELF.find(store, name)


def check_stored(store: Store, manifest: Manifest, copy: Path | None = None) -> None:
    """Read the stored file through, into `copy` if given: size and SHA-256. Raises Damaged, StoreError."""
    digest, size = hashlib.sha256(), 0
    with (copy or Path("/dev/null")).open("wb") as file:
        for chunk in store.chunks(manifest.name):
            digest.update(chunk)
            size += len(chunk)
            file.write(chunk)
    if size != manifest.bytes:
        raise damaged(manifest, f"{size} bytes in the store, {manifest.bytes} in the manifest")
    if digest.hexdigest() != manifest.sha256:
        raise damaged(manifest, f"its SHA-256 is {digest.hexdigest()}, the manifest says {manifest.sha256}")


def damaged(manifest: Manifest, why: str) -> Damaged:
    """The error of a snapshot that isn't what it was."""
    return Damaged(
        f"{manifest.name} is damaged in the store: {why}",
        "Do not restore from this one. `fwb valkey backup list STACK` shows the others.",
    )


def expendable(found: list[Entry], keep: int) -> list[str]:
    """The verified snapshots beyond the newest `keep`; those with keys and those of an empty set apart.

    A set that was emptied would otherwise push out, one by one, all that is worth keeping.
    """
    full: list[str] = []
    empty: list[str] = []
    for entry in found:
        if entry.manifest and entry.verified:
            (full if entry.manifest.keys else empty).append(entry.name)
    return [*full[keep:], *empty[keep:]]


def remove(store: Store, name: str) -> None:
    """Remove a snapshot; without its manifest it is none any more, so that goes first."""
    store.delete(name + MANIFEST_SUFFIX)
    store.delete(name)
