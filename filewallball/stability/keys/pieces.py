"""Writing the pieces of a shard into the store while the next ones are read."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Self

from filewallball.stability.keys import names
from filewallball.stability.keys.manifest import Manifest, Piece
from filewallball.stability.keys.places import Place
from filewallball.stability.keys.reading import Batch
from filewallball.stability.keys.records import Damaged

Packing = Literal["zstd", "none"]
BYTES = 8 * 2**20
"""Of a piece, before compression: so much is read again at most, where a backup was interrupted."""
_WAITING = 2
"""Pieces of a shard that may wait for the store."""
_LEVEL = 1
"""Of zstd: measured, it keeps up with the reading."""


@dataclass
class _Filling:
    """What the next piece will hold."""

    records: list[bytes] = field(default_factory=list[bytes])
    count: int = 0
    bytes: int = 0
    first_expiry: int | None = None


class Pieces:
    """The pieces of one run of a shard. Those whose records and description are in the store count.

    `number`: of the first one. `phase`: see manifest.Piece.
    """

    def __init__(
        self,
        place: Place,
        backup: str,
        shard: int,
        run: int,
        packing: Packing,
        *,
        run_id: str,
        number: int = 0,
        phase: int = 0,
    ) -> None:
        self._place = place
        self._backup = backup
        self._shard = shard
        self._run = run
        self._packing: Packing = packing
        self._run_id = run_id
        self._number = number
        self._phase = phase
        self._filling = _Filling()
        self._pool = ThreadPoolExecutor(1, "fwb-pieces")
        self._waiting: deque[Future[None]] = deque()
        self.written: list[Piece] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, database: int, batch: Batch) -> bool:
        """Keep the records; whether that filled a piece. Raises UserError of the store."""
        filling = self._filling
        filling.records += batch.records
        filling.count += batch.count
        filling.bytes += sum(map(len, batch.records))
        if batch.first_expiry is not None:
            filling.first_expiry = min(batch.first_expiry, filling.first_expiry or batch.first_expiry)
        if filling.bytes < BYTES and batch.cursor != b"0":
            return False
        self._flush(database, batch.cursor.decode())
        return True

    def finish(self) -> None:
        """Wait until all is in the store. Raises UserError of the store."""
        while self._waiting:
            self._waiting.popleft().result()

    def _flush(self, database: int, cursor: str) -> None:
        filled, self._filling = self._filling, _Filling()
        while len(self._waiting) >= _WAITING:
            self._waiting.popleft().result()
        number, self._number = self._number, self._number + 1
        self._waiting.append(self._pool.submit(self._put, filled, database, number, cursor))

    def _put(self, filled: _Filling, database: int, number: int, cursor: str) -> None:
        data = packed(b"".join(filled.records), self._packing)
        digest = hashlib.sha256(data).hexdigest()
        part = "moved" if self._phase else f"shard-{self._shard:02}"
        # The content is in the name: what an interrupted run has left there under it is the same.
        stem = f"{self._backup}/{part}/{self._run:02}-{number:06}-{digest[:12]}"
        name = stem + (".resp.zst" if self._packing == "zstd" else ".resp")
        self._place.put(name, data)
        piece = Piece(
            name=name,
            shard=self._shard,
            run=self._run,
            number=number,
            phase=self._phase,
            database=database,
            records=filled.count,
            bytes=filled.bytes,
            size=len(data),
            sha256=digest,
            first_expiry=filled.first_expiry,
            cursor=cursor,
            run_id=self._run_id,
        )
        self._place.put(stem + names.ABOUT, piece.to_json())
        self.written.append(piece)


def packed(raw: bytes, packing: Packing) -> bytes:
    if packing == "none":
        return raw
    import zstandard

    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(raw)


def fetched(place: Place, manifest: Manifest, piece: Piece) -> bytes:
    """A piece's object, as the manifest describes it. Raises Damaged, UserError."""
    data = place.get(piece.name)
    if data is None:
        raise damaged(manifest, f"{piece.name} is missing")
    if len(data) != piece.size or hashlib.sha256(data).hexdigest() != piece.sha256:
        raise damaged(manifest, f"{piece.name} is not what was stored: {len(data)} bytes of {piece.size}")
    return data


def unpacked(data: bytes, manifest: Manifest) -> bytes:
    """The commands in a piece's object."""
    if manifest.packing == "none":
        return data
    import zstandard

    return zstandard.ZstdDecompressor().decompress(data)


def damaged(manifest: Manifest, why: str) -> Damaged:
    return Damaged(
        f"{manifest.id} is damaged in the store: {why}.",
        "Restore another one. `fwb redis restore TARGET --list` shows them.",
    )


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
