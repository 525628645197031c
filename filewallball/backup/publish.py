"""Putting a file and its manifest into the store, so that others see either the whole of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from filewallball.backup.names import MANIFEST_SUFFIX
from filewallball.backup.store import AlreadyThere, Store, StoreError
from filewallball.errors import UserError

NAME_TRIES = 5
"""How many names are tried: that of the present second, and those of the seconds after it."""


class About(Protocol):
    """A manifest: the name of what it is about, and its own text."""

    @property
    def name(self) -> str: ...

    def to_json(self) -> bytes: ...


AboutT = TypeVar("AboutT", bound=About)


def publish(store: Store, path: Path, manifests: Sequence[AboutT], check: Callable[[AboutT], None]) -> AboutT:
    """Put the file under the first name of the manifests that is free; `check` reads it back.

    A name that another took in the same second is left alone; the next second's is as good.
    Raises StoreError.
    """
    for manifest in manifests:
        try:
            _put(store, path, manifest, check)
        except AlreadyThere:
            continue
        return manifest
    raise StoreError(
        f"{len(manifests)} names from {manifests[0].name} on are already in use.", "Run the command again."
    )


def _put(store: Store, path: Path, manifest: AboutT, check: Callable[[AboutT], None]) -> None:
    """The file, read back, then the manifest, which makes it count. On errors what was put is removed."""
    name, about = manifest.name, manifest.name + MANIFEST_SUFFIX
    try:
        store.put_file(path, name)
    except AlreadyThere:
        raise
    except BaseException:
        # It may have arrived all the same. With a manifest beside it, or with other content, it is another's,
        # who may be about to write the manifest.
        with suppress(UserError):
            if not store.exists(about):
                check(manifest)
                store.delete(name)
        raise
    try:
        check(manifest)
        store.put(manifest.to_json(), about)
    except BaseException:
        # If the store is gone, so be it: a file without a manifest counts for nothing.
        with suppress(StoreError):
            store.delete(about)
            store.delete(name)
        raise
