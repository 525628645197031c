"""Which backup is restored. What can't be restored is refused here, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from filewallball.backup import age, catalogue
from filewallball.backup.catalogue import Entry
from filewallball.backup.database import series
from filewallball.backup.manifest import Manifest
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import Store
from filewallball.errors import ConfigError, UserError, nearest

_CHUNK = 2**20
"""Bytes that are read at a time."""
LIST = "`fwb restore STACK --list` shows all backups."


@dataclass(frozen=True)
class Wanted:
    """What was asked for: a backup by its name, or the newest, or the newest before a moment."""

    name: str | None = None
    at: datetime | None = None

    def __str__(self) -> str:
        return self.name or (f"--at {self.at:%Y-%m-%dT%H:%M:%SZ}" if self.at else "--latest")


@dataclass(frozen=True)
class Target:
    """Where it goes: the database of that name on a server of that version."""

    database: str
    version: str

    def refuses(self, manifest: Manifest) -> str:
        """Why a backup can't be restored here, as the end of a sentence; empty if it can."""
        if manifest.database != self.database:
            return f"it is of the database {manifest.database}, not of {self.database}"
        if (theirs := series(manifest.server_version)) != (ours := series(self.version)):
            return f"it was made by MariaDB {theirs}, and the server is {ours}"
        if not restorable(manifest):
            return "nobody has restored it yet, so that nobody knows whether it can be"
        return ""


def restorable(manifest: Manifest) -> bool:
    """Whether a trial restore has brought it back, with or without differences that the manifest tells."""
    return manifest.verdict is not None


def choose(store: Store, wanted: Wanted, target: Target) -> Manifest:
    """The manifest of the backup to restore. Raises UserError, Damaged, StoreError."""
    found = catalogue.entries(store)
    if wanted.name:
        return _named(store, found, wanted.name, target)
    before = [entry for entry in found if wanted.at is None or entry.time <= wanted.at]
    for entry in before:
        if entry.manifest and not _unasked(entry, target):
            return entry.manifest
    reasons = [f"  - {entry.name}: {_unasked(entry, target)}" for entry in before]
    when = f" from before {wanted.at:%Y-%m-%d %H:%M:%S} UTC" if wanted.at else ""
    raise UserError(
        "\n".join([f"There is no backup{when} in {store.settings.where} that can be restored.", *reasons]),
        LIST,
    )


def _named(store: Store, found: list[Entry], name: str, target: Target) -> Manifest:
    entry = next((entry for entry in found if entry.name == name), None)
    if entry is None:
        if any(item.key == name for item in store.list()):
            raise Damaged(f"{name} has no manifest: it is no whole backup.", newest_good(store, target, name))
        raise ConfigError(
            f"There is no backup {name} in {store.settings.where}.",
            f"{nearest(name, [each.name for each in found], 'Backups')} {LIST}",
        )
    if why := _why_not(entry, target):
        raise Damaged(f"{name} can't be restored: {why}.", newest_good(store, target, name))
    return cast("Manifest", entry.manifest)


def _why_not(entry: Entry, target: Target) -> str:
    return target.refuses(entry.manifest) if entry.manifest else entry.problem


def _unasked(entry: Entry, target: Target) -> str:
    """Why a backup is not taken by itself: as `_why_not`, or because a restore was to get rid of it."""
    before = entry.manifest.before_restore if entry.manifest else ""
    return _why_not(entry, target) or (f"it was saved before {before} was restored" if before else "")


def newest_good(store: Store, target: Target, but: str) -> str:
    """A hint that names the newest backup that can be restored; its object is read through for that."""
    for entry in catalogue.entries(store):
        if entry.name == but or entry.manifest is None or _unasked(entry, target):
            continue
        try:
            catalogue.check_stored(store, entry.manifest)
        except Damaged:
            continue
        return f"The newest good backup is {entry.name}: run `fwb restore STACK -f {entry.name}`."
    return f"There is no other good backup. {LIST}"


def fetch(
    store: Store,
    manifest: Manifest,
    target: Target,
    path: Path,
    keys: Sequence[age.Identity],
    progress: Callable[[int], None],
) -> None:
    """Download the backup to `path`, proven to be what the manifest tells of, and decrypted by `keys`.

    `progress` hears bytes so far. Raises Damaged with the name of a better one, StoreError.
    """
    kept = _Kept(store, path, progress)
    try:
        catalogue.check_stored(cast("Store", kept), manifest, keys)
    except Damaged as error:
        raise Damaged(error.message, newest_good(store, target, manifest.name)) from error

    if manifest.recipients:
        sealed = path.rename(path.with_suffix(".age"))
        with sealed.open("rb") as packed, path.open("wb") as file:
            for piece in age.decrypted(iter(lambda: packed.read(_CHUNK), b""), keys):
                file.write(piece)
        sealed.unlink()


class _Kept:
    """What the catalogue reads of the store, written to a file on its way."""

    def __init__(self, store: Store, path: Path, progress: Callable[[int], None]) -> None:
        self._store, self._path, self._progress = store, path, progress
        self.settings = store.settings

    def chunks(self, key: str) -> Iterator[bytes]:
        written = 0
        with self._path.open("wb") as file:
            for piece in self._store.chunks(key):
                file.write(piece)
                written += len(piece)
                self._progress(written)
                yield piece


def how_old(manifest: Manifest) -> str:
    """How old it is, in words."""
    minutes = int((datetime.now(UTC) - manifest.created).total_seconds()) // 60
    return f"{minutes} minutes old" if minutes < 180 else f"{minutes // 60} hours old"
