"""What is in a piece of the log: written by the shipper, read again to go on after it and to replay it."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from filewallball.backup.store import Store
from filewallball.binlogs.events import (
    FIRST,
    MAGIC,
    Event,
    LogError,
    Splitter,
    check_place,
    check_sum,
    checksums,
)
from filewallball.binlogs.names import Piece

_GZIP = 16 + zlib.MAX_WBITS
_AHEAD = 4
"""How many pieces are fetched at the same time: a store's answer takes longer than a piece's reading."""


class Writer:
    """A piece that grows in a file of the work directory."""

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.start = start
        self.end = start
        self._file = path.open("wb")
        self._packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
        if start == 0:
            self._write(MAGIC)

    @property
    def size(self) -> int:
        """Bytes of the log in it."""
        return self.end - self.start

    def add(self, event: Event) -> None:
        self._write(event.raw)

    def finish(self) -> None:
        self._file.write(self._packer.flush())
        self._file.close()

    def close(self) -> None:
        """Let go of the file, whatever is in it."""
        self._file.close()

    def _write(self, data: bytes) -> None:
        self._file.write(self._packer.compress(data))
        self.end += len(data)


def unpacked(piece: Piece, packed: bytes) -> bytes:
    """The bytes of the log in a piece. Raises LogError unless they are all there."""
    stream = zlib.decompressobj(_GZIP)
    try:
        data = stream.decompress(packed, piece.end - piece.start + 1) if packed else b""
    except zlib.error as error:
        raise damaged(piece, str(error)) from error
    if not stream.eof or stream.unused_data or len(data) != piece.end - piece.start:
        raise damaged(piece, f"it unpacks to {len(data)} bytes or more, and it is cut off or too long")
    return data


def events_in(piece: Piece, data: bytes, *, checksummed: bool | None = None) -> Iterator[tuple[int, Event]]:
    """The events of a piece with the positions at which they stand. Raises LogError.

    `checksummed`: whether they have checksums; None: they are not looked at, if the piece doesn't tell.
    """
    at, splitter = piece.start, Splitter()
    if at == 0:
        if data[:FIRST] != MAGIC:
            raise damaged(piece, "it does not begin as a file of the log does")
        at, data = FIRST, data[FIRST:]
    try:
        for event in splitter.feed(data):
            if at == FIRST:
                checksummed = checksums(event)
            check_place(event, at, piece.file.name)
            if checksummed:
                check_sum(event)
            yield at, event
            at += event.size
        splitter.finish()
    except LogError as error:
        raise damaged(piece, error.message) from error


def fetched(logs: Store, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, bytes]]:
    """Each piece with its bytes, some of them fetched ahead. Raises StoreError, LogError."""
    with ThreadPoolExecutor(_AHEAD) as pool:
        coming: deque[tuple[Piece, Future[bytes]]] = deque()
        left = iter(pieces)
        try:
            while True:
                while len(coming) < _AHEAD and (piece := next(left, None)):
                    coming.append((piece, pool.submit(logs.get, piece.key)))
                if not coming:
                    return
                piece, packed = coming.popleft()
                yield piece, unpacked(piece, packed.result())
        finally:
            for _, packed in coming:
                packed.cancel()


def damaged(piece: Piece, why: str) -> LogError:
    """The error of a piece that isn't what its name says."""
    return LogError(
        f"The piece {piece.key} of the binary log is damaged in the store: {why}",
        "The log can't be replayed over it. Restore a moment before it, or one after the next backup.",
    )
