"""The size of a store: what goes when there is no more room for what comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from filewallball.storage.disk.engine import Tally
from filewallball.storage.disk.trees import Trees, Txn, drop_expired, drop_oldest, pages
from filewallball.storage.errors import WrongValue

LEAST = 1_000_000
"""The smallest size that can be kept to, in bytes."""
_PAGE = 4096
_BATCH = 8
_PAGES_EACH = 6
"""How many new pages the change of one record needs, at most, in a tree that is not yet changed."""
_MOST_RECORDS = 500
_SPARE_PAGES = 96
_OTHER_FILES_BYTES = 64 << 10
_OFTEN = 64
_SMALL_KEY = 500
"""A key up to so many bytes isn't counted."""
_FEW_BYTES = 2 << 20
"""Entries written at once are at most so many bytes, so that others needn't wait long."""


class Room:
    """One process's part in keeping a store below `max_size` bytes.

    `records`: how many may be changed at once. The file can't grow beyond `file_size`. A part of it stays
    free, for a change needs new pages before it gives old ones back.
    """

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self.file_size = (max_size - _OTHER_FILES_BYTES) // _PAGE * _PAGE
        pages = self.file_size // _PAGE
        spare = max(pages // 8, _SPARE_PAGES)
        self.most_pages = pages - spare
        self.records = min(spare // _PAGES_EACH, _MOST_RECORDS)
        self.most_value = max_size // 8
        # In a small store fewer writes may go by without a look at its size.
        self._every = min(_OFTEN, max(1, self.most_pages // 1024))
        self._bytes = max_size // 1024
        self._writes = 0
        self._written = 0

    def check(self, key: bytes, value: bytes) -> None:
        """Raises WrongValue if it is no value, or so large that it would drive out everything else."""
        if not isinstance(value, bytes):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongValue(f"A value is bytes here, not {type(value).__name__}. Encode it first.")
        if len(value) > self.most_value:
            raise WrongValue(
                f"A value of {len(value)} bytes is too large: it may take an eighth of max_size at most, "
                f"{self.most_value} bytes here. Give a larger max_size, or store it in parts."
            )
        if len(key) + len(value) > self.most_value + _SMALL_KEY:
            raise WrongValue(
                f"A key of {len(key)} bytes is too long: with its value it may take an eighth of max_size at "
                f"most, {self.most_value} bytes here. Use a shorter key, such as a digest of it."
            )

    def parts(self, items: Mapping[bytes, bytes]) -> Iterator[tuple[list[tuple[bytes, bytes]], int]]:
        """The items in parts that can be written at once, each with its size in bytes."""
        most = min(self.max_size // 16, _FEW_BYTES)
        part: list[tuple[bytes, bytes]] = []
        size = 0
        for key, value in items.items():
            part.append((key, value))
            size += len(key) + len(value)
            if size >= most or len(part) >= self.records:
                yield part, size
                part, size = [], 0
        if part:
            yield part, size

    def due(self, size: int) -> bool:
        """Whether a write of so many bytes has to look for room first."""
        self._writes += 1
        self._written += size
        if self._writes < self._every and self._written < self._bytes:
            return False
        self._writes = self._written = 0
        return True

    def make(self, txn: Txn, trees: Trees, size: int, now: float, tally: Tally) -> bool:
        """Let go what has to, for a write of so many bytes. Whether that isn't enough yet: then once more.

        What one transaction gives back, a later one can use. So each of them lets go only a part.
        """
        limit = self.most_pages - size // _PAGE
        gone = 0
        while pages(txn, trees) > limit:
            if gone >= self.records:
                return True
            count = drop_expired(txn, trees, now, _BATCH)
            tally.expired += count
            if not count:
                count = drop_oldest(txn, trees, _BATCH)
                tally.evicted += count
            if not count:
                return False
            gone += count
            self._writes = self._every  # it is full: look again with the next write
        return False
