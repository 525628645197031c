"""Files in a store, each with its manifest beside it: what backups and snapshots have in common.

The manifest is written last and removed first, so a file without one is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from filewallball.backup.fields import ManifestError
from filewallball.backup.names import MANIFEST_SUFFIX, Naming
from filewallball.backup.store import Store, Stored
from filewallball.errors import UserError


class About(Protocol):
    """What every manifest tells of its file."""

    @property
    def name(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def verified(self) -> bool: ...


M = TypeVar("M", bound=About)


class Damaged(UserError):
    """A stored file is not what its manifest says."""


@dataclass(frozen=True)
class Entry(Generic[M]):
    """One file with its manifest, or `problem`, which says why it cannot be used.

    `stored`: when the store took the file in, by the store's own clock.
    """

    name: str
    time: datetime
    bytes: int
    manifest: M | None
    problem: str = ""
    stored: datetime | None = None

    @property
    def verified(self) -> bool:
        """Whether the file was proven good before it was uploaded."""
        return self.manifest is not None and self.manifest.verified


@dataclass(frozen=True)
class Shelf(Generic[M]):
    """One kind of file. `parse` reads a manifest or raises ManifestError; `file` is the word in messages."""

    naming: Naming
    parse: Callable[[bytes], M]
    file: str

    def find(self, store: Store, name: str) -> M:
        """The manifest of the file of that name. Raises Damaged, StoreError."""
        try:
            return self.parse(store.get(name + MANIFEST_SUFFIX))
        except ManifestError as error:
            raise Damaged(f"The manifest of {name} cannot be read: {error}.") from error

    def entries(self, store: Store) -> Iterator[Entry[M]]:
        """All, the newest first; each manifest is read when its turn comes. Raises StoreError."""
        files: dict[str, Stored] = {}
        manifests: dict[str, datetime] = {}
        for item in store.list():
            name = item.key.removesuffix(MANIFEST_SUFFIX)
            time = self.naming.time(name)
            if time is None:
                continue
            if name == item.key:
                files[name] = item
            else:
                manifests[name] = time
        for name, time in sorted(manifests.items(), reverse=True):
            yield self._entry(store, name, time, files.get(name))

    def _entry(self, store: Store, name: str, time: datetime, file: Stored | None) -> Entry[M]:
        size = file.size if file else 0
        stored = file.modified if file else None
        try:
            manifest = self.find(store, name)
        except Damaged as error:
            return Entry(name, time, size, None, error.message, stored)
        if file is None:
            return Entry(name, time, 0, None, f"the {self.file} is missing")
        if manifest.name != name or manifest.bytes != size:
            told = f"the manifest is about {manifest.name}, {manifest.bytes} bytes"
            return Entry(name, time, size, None, told, stored)
        return Entry(name, time, size, manifest, stored=stored)
