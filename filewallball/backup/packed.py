"""The form of a dump: SQL with mariadb-dump's own last line, packed by gzip or zstd, and maybe encrypted.

Packed on all processors, in bounded memory either way. What a file is, its first bytes tell.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import zlib_ng.gzip_ng_threaded
import zlib_ng.zlib_ng
import zstandard

from filewallball.backup import age
from filewallball.errors import UserError

# The package says too little of its types.
_threaded: Any = zlib_ng.gzip_ng_threaded
_zlib: Any = zlib_ng.zlib_ng

SUFFIXES = {"gzip": ".sql.gz", "zstd": ".sql.zst"}
"""How the names of dumps end, by their compression."""
ENCRYPTED = ".age"
TAIL = 256
"""How many of the last bytes `ends_complete` looks at."""
_END = re.compile(rb"\n-- Dump completed[^\n]*\n\s*\Z")
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_LEVEL, _ZSTD_LEVEL = 4, 3
_ZSTD_PIECE = 1024
"""Bytes: what zstd packs best unpacks to 32 MiB from as little as this."""
_MOST_THREADS = 4
_DISK = "Check the node's disk, and run the backup again."


class PackedError(UserError):
    """Packed data that is damaged or cut off."""


class Writer(Protocol):
    """Takes what is to be packed."""

    def write(self, data: bytes, /) -> int: ...


class _Sink:
    """What the libraries write to: a function that gets every piece."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.error: BaseException | None = None

    def write(self, data: bytes) -> int:
        try:
            self._write(data)
        except BaseException as error:
            self.error = error
            raise
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


@dataclass(frozen=True)
class Packing:
    """How dumps are packed. `recipients`: the public keys for which they are encrypted, if there are any."""

    compression: str = "gzip"
    recipients: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """How the name of such a dump ends."""
        return SUFFIXES[self.compression] + (ENCRYPTED if self.recipients else "")


def ends_complete(tail: bytes) -> bool:
    """Whether SQL that ends with `tail` is whole: mariadb-dump writes this line last, after success."""
    return _END.search(tail[-TAIL:]) is not None


@contextmanager
def packing(write: Callable[[bytes], object], compression: str) -> Generator[Writer]:
    """What is written is packed by several threads; `write` gets it piece by piece, from another thread.

    All of it has been written when the block has ended. An error of `write` is raised here.
    """
    sink = _Sink(write)
    threads = min(_MOST_THREADS, len(os.sched_getaffinity(0)))
    try:
        if compression == "zstd":
            packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, threads=threads, write_checksum=True)
            with packer.stream_writer(sink, closefd=False) as file:  # pyright: ignore[reportArgumentType]
                yield file
        else:
            with _threaded.open(sink, "wb", compresslevel=_GZIP_LEVEL, threads=threads) as file:
                yield file
    except BaseException:
        if sink.error:
            raise sink.error from None
        raise


def unpacked(path: Path, keys: Sequence[age.Identity] = ()) -> Iterator[bytes]:
    """The SQL in a file, piece by piece; `keys` open it if it is encrypted. Raises PackedError, age.NoKey."""
    with path.open("rb") as file:
        yield from opened(iter(lambda: file.read(_CHUNK), b""), keys)


def opened(pieces: Iterable[bytes], keys: Sequence[age.Identity] = ()) -> Iterator[bytes]:
    """The SQL in a packed dump that comes piece by piece. Raises PackedError, age.NoKey."""
    head, stream = _begun(iter(pieces))
    try:
        if head.startswith(age.MAGIC):
            head, stream = _begun(age.decrypted(stream, keys))
        if head.startswith(_GZIP):
            yield from _gunzipped(stream)
        elif head.startswith(_ZSTD):
            yield from _unzstd(stream)
        elif len(head) < len(age.MAGIC):
            raise _cut_off()
        else:
            raise PackedError("The dump is damaged: it begins neither as gzip nor as zstd does.", _DISK)
    except age.DecryptError as error:
        raise PackedError(f"The encrypted dump is damaged: {error}.", _DISK) from error
    except (_zlib.error, zstandard.ZstdError) as error:
        raise PackedError(f"The compressed dump is damaged: {error}.", _DISK) from error


def _begun(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, as many as tell what it is, and all of it."""
    head = b""
    while len(head) < len(age.MAGIC) and (piece := next(pieces, b"")):
        head += piece
    return head, chain([head], pieces)


def _gunzipped(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = _zlib.decompressobj(16 + _zlib.MAX_WBITS)
    for piece in pieces:
        while piece:
            if stream.eof:
                raise _followed()
            yield stream.decompress(piece, _CHUNK)
            piece = stream.unconsumed_tail or stream.unused_data
    if not stream.eof:
        raise _cut_off()


def _unzstd(pieces: Iterator[bytes]) -> Iterator[bytes]:
    stream = zstandard.ZstdDecompressor().decompressobj()
    for piece in pieces:
        for start in range(0, len(piece), _ZSTD_PIECE):
            if stream.eof:
                raise _followed()
            yield stream.decompress(piece[start : start + _ZSTD_PIECE])
    if not stream.eof:
        raise _cut_off()
    if stream.unused_data:
        raise _followed()


def _followed() -> PackedError:
    return PackedError("The compressed dump is damaged: something follows its end.", _DISK)


def _cut_off() -> PackedError:
    return PackedError("The compressed dump is cut off.", "Run the backup again.")
