"""Whether a backup in the store is what its manifest says; if it isn't, which is the newest that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from filewallball.backup import age, catalogue, restore
from filewallball.backup.catalogue import Entry
from filewallball.backup.database import series
from filewallball.backup.manifest import Manifest
from filewallball.backup.names import backup_time
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import Store
from filewallball.errors import UserError, nearest


class Unfit(UserError):
    """A backup that is of another database or server than this stack's."""


def verify(
    store: Store,
    database: str,
    name: str | None,
    keys: Sequence[age.Identity],
    say: Callable[[str], None],
) -> Manifest:
    """Read the named backup through, or else the newest, and compare it with its manifest.

    Raises Damaged and Unfit, which name the newest good one; age.NoKey; UserError if there is no such backup;
    StoreError.
    """
    found = catalogue.entries(store)
    entry = _chosen(store, found, name)
    try:
        return _proven(store, database, entry, keys)
    except (Damaged, Unfit) as error:
        say(f"{error.message} Looking for the newest good one.")
        others = [each for each in found if each.name != entry.name]
        raise error.retold(
            error.message, f"{error.hint} {newest_good(store, database, others, keys)}"
        ) from error


def newest_good(store: Store, database: str, found: Sequence[Entry], keys: Sequence[age.Identity]) -> str:
    """A sentence that names the newest of these backups that is whole. Raises StoreError."""
    for entry in found:
        if not entry.verified:
            continue
        try:
            _proven(store, database, entry, keys)
        except UserError:
            continue
        return f"The newest good one is {entry.name}."
    return "No other backup in the store is good."


def _chosen(store: Store, found: Sequence[Entry], name: str | None) -> Entry:
    if not found and not name:
        raise UserError(f"There are no backups in {store.settings.where}.", "Run `fwb backup now STACK`.")
    if not name:
        return found[0]
    for entry in found:
        if entry.name == name:
            return entry
    time = backup_time(name)
    if time and store.exists(name):
        return Entry(name, time, 0, None, "its manifest is missing")
    raise UserError(
        f"There is no backup {name} in {store.settings.where}.",
        f"{nearest(name, [entry.name for entry in found], 'Backups')} Choose one of them.",
    )


def _proven(store: Store, database: str, entry: Entry, keys: Sequence[age.Identity]) -> Manifest:
    manifest = entry.manifest
    if manifest is None:
        raise Damaged(f"{entry.name} can't be used: {entry.problem}.", "Do not restore from this one.")
    if manifest.database != database:
        raise Unfit(
            f"{entry.name} is of the database {manifest.database}, and this stack's is {database}.",
            "Choose another one, or correct filewallball:backup.store.prefix: each stack needs its own.",
        )
    ours = series(restore.server_version())
    if (theirs := series(manifest.server_version)) != ours:
        raise Unfit(
            f"{entry.name} is from MariaDB {theirs}, and this image has {ours}: it could not prove anything.",
            f"Use a toolkit image with MariaDB {theirs}.",
        )
    catalogue.check_stored(store, manifest, keys)
    return manifest
