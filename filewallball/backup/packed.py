"""The form of a dump: SQL that ends with mariadb-dump's own last line, in one gzip member."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from filewallball.errors import UserError

GZIP = 16 + zlib.MAX_WBITS
"""The number that tells zlib to write the gzip format."""
TAIL = 256
"""How many of the last bytes `ends_complete` looks at."""
_END = re.compile(rb"\n-- Dump completed[^\n]*\n\s*\Z")
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""


class PackedError(UserError):
    """Compressed data that is damaged or cut off."""


def ends_complete(tail: bytes) -> bool:
    """Whether SQL that ends with `tail` is whole: mariadb-dump writes this line last, after success."""
    return _END.search(tail[-TAIL:]) is not None


def unpacked(path: Path) -> Iterator[bytes]:
    """The content of a gzip file, piece by piece. Raises PackedError if it is damaged or cut off."""
    unpack = Unpacker()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield from unpack.feed(piece)
    unpack.finish()


class Unpacker:
    """gzip, undone piece by piece with bounded memory, its checksum proven at the end."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(GZIP)

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The next unpacked pieces. Raises PackedError if the data is damaged."""
        try:
            while piece:
                if self._stream.eof:
                    raise PackedError("The compressed dump is damaged: something follows its end.")
                yield self._stream.decompress(piece, _CHUNK)
                piece = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise PackedError(
                f"The compressed dump is damaged: {error}.",
                "Check the node's disk, and run the backup again.",
            ) from error

    def finish(self) -> None:
        """Raise PackedError if the end is missing."""
        if not self._stream.eof:
            raise PackedError("The compressed dump is cut off.", "Run the backup again.")
