"""What runs that broke off have left in the store: dumps without a manifest, and parts of uploads.

Only what bears a backup's name, and only after a day by the store's own clock: an upload that is under way is
younger. A dump without a manifest stays as long as there is no verified backup.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from filewallball.backup import catalogue
from filewallball.backup.names import MANIFEST_SUFFIX, NAMING, Naming
from filewallball.backup.store import Store, StoreError

AGE = timedelta(days=1)


def sweep(store: Store, say: Callable[[str], None]) -> None:
    """Remove them; `say` hears of each, and of what could not be looked for. Raises no StoreError."""
    try:
        _orphans(store, say)
    except StoreError as error:
        say(f"Dumps without a manifest could not be removed: {error.message}")
    sweep_parts(store, NAMING, say)


def _orphans(store: Store, say: Callable[[str], None]) -> None:
    found = {item.key: item for item in store.list()}
    limit = store.now() - AGE
    orphans = [
        key
        for key, item in found.items()
        if NAMING.time(key) and key + MANIFEST_SUFFIX not in found and item.modified < limit
    ]
    if not orphans or not catalogue.newest_verified(store):
        return
    for key in orphans:
        # Once more: whoever copies a bucket writes one file after another.
        if not store.exists(key + MANIFEST_SUFFIX):
            store.delete(key)
            say(f"removed {key}: it has had no manifest for more than a day, so no backup ever ended with it")


def sweep_parts(store: Store, naming: Naming, say: Callable[[str], None]) -> None:
    """Remove parts of uploads of such names. Raises no StoreError."""
    try:
        _parts(store, naming, say)
    except StoreError as error:
        say(f"Parts of broken uploads could not be removed: {error.message}")


def _parts(store: Store, naming: Naming, say: Callable[[str], None]) -> None:
    limit = store.now() - AGE
    for upload in store.unfinished(naming.prefix):
        if naming.time(upload.key) and upload.begun < limit:
            store.abandon(upload)
            say(f"removed the parts of {upload.key}, whose upload broke off")
