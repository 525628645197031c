"""What is in a piece of the log: written by the shipper, which can't read it again if it is encrypted."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from filewallball.backup import age
from filewallball.backup.store import Store, StoreError
from filewallball.binlogs import names
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

PIECE = 16 * 2**20
"""Bytes of the log after which a piece ends."""
_GZIP = 16 + zlib.MAX_WBITS
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
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


def sealed(path: Path, recipients: Sequence[str]) -> Path:
    """The file of a packed piece, encrypted if there are public keys; the plain one is removed then."""
    if not recipients:
        return path
    target = path.with_name(path.name + ".age")
    with path.open("rb") as plain, target.open("wb") as file:
        for data in age.encrypted(iter(lambda: plain.read(_CHUNK), b""), recipients):
            file.write(data)
    path.unlink()
    return target


def unpacked(piece: Piece, packed: bytes, keys: Sequence[age.Identity] = ()) -> bytes:
    """The bytes of the log in a piece. Raises LogError unless they are all there, age.NoKey."""
    if piece.keys:
        try:
            packed = b"".join(age.decrypted(iter([packed]), keys))
        except age.NoKey as error:
            why = "none of the keys that were given opens it" if keys else "no private key was given"
            raise error.retold(
                f"The piece {piece.key} of the binary log is encrypted, and {why}.",
                "Name the file of the matching private key with --identity FILE. If the keys were changed "
                "between the backup and that moment, write all of them into the file, a line each.",
            ) from error
        except age.DecryptError as error:
            raise damaged(piece, str(error)) from error
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


def fetched(
    logs: Store, pieces: Sequence[Piece], keys: Sequence[age.Identity] = ()
) -> Iterator[tuple[Piece, bytes]]:
    """Each piece with its bytes, some of them fetched ahead. Raises StoreError, LogError, age.NoKey.

    For pieces that have become one meanwhile that one comes, once.
    """
    came: Piece | None = None
    with ThreadPoolExecutor(_AHEAD) as pool:
        coming: deque[tuple[Piece, Future[tuple[Piece, bytes]]]] = deque()
        left = iter(pieces)
        try:
            while True:
                while len(coming) < _AHEAD and (piece := next(left, None)):
                    coming.append((piece, pool.submit(_get, logs, piece)))
                if not coming:
                    return
                piece, future = coming.popleft()
                if came is None or not came.holds(piece):
                    came, packed = future.result()
                    yield came, unpacked(came, packed, keys)
        finally:
            for _, future in coming:
                future.cancel()


def _get(logs: Store, piece: Piece) -> tuple[Piece, bytes]:
    try:
        return piece, logs.get(piece.key)
    except StoreError:
        found = (names.read(item.key, item.size) for item in logs.list())
        now = next((each for each in found if isinstance(each, Piece) and each.holds(piece)), None)
        if now is None:
            raise
        return now, logs.get(now.key)


def check_opens(logs: Store, pieces: Iterable[Piece], keys: Sequence[age.Identity]) -> None:
    """Raise age.NoKey unless the private keys open all of the pieces; one of each kind is tried."""
    smallest: dict[str, Piece] = {}
    for piece in pieces:
        if piece.keys and piece.size <= smallest.get(piece.keys, piece).size:
            smallest[piece.keys] = piece
    for piece in smallest.values():
        unpacked(piece, logs.get(piece.key) if keys else b"", keys)


def damaged(piece: Piece, why: str) -> LogError:
    """The error of a piece that isn't what its name says."""
    return LogError(
        f"The piece {piece.key} of the binary log is damaged in the store: {why}",
        "The log can't be replayed over it. Restore a moment before it, or one after the next backup.",
    )
