"""Small pieces of the log become one, hour by hour: a shipper that looks every 10 s makes thousands a day.

The bytes come from the server, which still has them. The store's pieces may be encrypted, and the shipper
has no key that opens them. What the server has removed meanwhile stays in small pieces.

1. The new piece is made and proven: same file, same last event.
2. It is uploaded, and read back.
3. The object beside it is written: when the log ended where. From then on the small ones tell nothing more.
4. The small ones are removed.

Who is interrupted before 3 begins anew; after it, the next run goes on with 4. Uploading a piece again
and again while it grows would need none of this, and would write most bytes many times.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from filewallball.backup.store import AlreadyThere, Store
from filewallball.binlogs import catalogue, looks
from filewallball.binlogs.catalogue import Timeline
from filewallball.binlogs.content import PIECE, Writer, sealed
from filewallball.binlogs.events import FIRST, LogError, digest_of
from filewallball.binlogs.names import Looks, Mark, Piece, Place, keys_of
from filewallball.binlogs.server import LogGone, Server
from filewallball.errors import UserError

HOUR = 3600
_LATE = 60
"""Seconds after the end of an hour: another shipper may still have been at it."""
_AT_ONCE, _SOME = 4, 100
"""How many objects are removed at the same time, and before the clock is looked at."""


def merge(
    server: Server,
    logs: Store,
    work: Path,
    say: Callable[[str], None],
    recipients: Sequence[str] = (),
    seconds: float = math.inf,
) -> bool:
    """Put pieces of hours that are over together; whether nothing is left to do. `logs`: what `below` gives.

    `recipients`: the public keys for which the new pieces are encrypted. After so many `seconds` the rest is
    left for another time. Raises UserError, StoreError.
    """
    gone, whole, until = 0, True, time.monotonic() + seconds
    for removed in _steps(server, logs, work, recipients):
        gone += removed
        if time.monotonic() >= until:
            whole = False
            break
    if gone:
        say(f"{gone} small objects of the binary log are in larger ones now.")
    return whole


def _steps(server: Server, logs: Store, work: Path, recipients: Sequence[str]) -> Iterator[int]:
    """What is to be done, bit by bit: how many objects each has removed."""
    found = catalogue.timelines(logs)
    for timeline in found:
        for piece in timeline.merged:
            yield from _removed(logs, timeline, piece)
    if found:
        newest, hour = found[-1], (server.look().time - _LATE) // HOUR
        for run in runs(newest, hour):
            if piece := _merged(server, logs, work, newest, run, recipients):
                yield from _removed(logs, newest, piece)


def runs(timeline: Timeline, hour: int) -> Iterator[list[Piece]]:
    """Pieces that follow each other in one file and one hour, before that hour; or one that holds others."""
    found: list[list[Piece]] = []
    for piece in _outer(timeline.pieces):
        if piece.time is None or piece.time // HOUR >= hour or piece.end - piece.start > PIECE:
            continue
        if found and _goes_on(found[-1], piece):
            found[-1].append(piece)
        else:
            found.append([piece])
    done = timeline.merged
    for run in found:
        if len(run) > 1 or (run[0] not in done and _small(timeline, run[0])):
            yield run


def _goes_on(run: list[Piece], piece: Piece) -> bool:
    first, last = run[0], run[-1]
    return (
        piece.file == first.file
        and piece.start <= last.end
        and piece.end - first.start <= PIECE
        and (piece.time or 0) // HOUR == (first.time or 0) // HOUR
    )


def _outer(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Those that no other one holds, in the log's order."""
    before: Piece | None = None
    for piece in sorted(pieces, key=lambda each: (each.begins, -each.end, not each.last)):
        if before is None or not before.holds(piece):
            yield piece
            before = piece


def _merged(
    server: Server, logs: Store, work: Path, timeline: Timeline, run: list[Piece], recipients: Sequence[str]
) -> Piece | None:
    """The piece that took the place of the run, if the server still has what is in it."""
    piece = replace(run[-1], start=run[0].start, size=0, keys=keys_of(recipients))
    try:
        path = sealed(_made(server, piece, work), recipients)
    except (LogGone, LogError):
        return None  # the server has removed it, or it is another server's log: the shipper will tell
    if not _uploaded(logs, path, piece):
        return None
    path.unlink()
    marks = [*_small_marks(timeline, piece)]
    for done in timeline.looks:
        if piece.holds(done.piece):
            marks += looks.read(logs, done)
    _put_once(logs, looks.to_json(marks), piece.looks_key)
    return piece


def _made(server: Server, piece: Piece, work: Path) -> Path:
    """The piece, read from the server again. Raises LogGone, LogError."""
    writer = Writer(work / "merged.gz", piece.start)
    place = Place(piece.file.name, max(piece.start, FIRST))
    with closing(writer), closing(server.follow(place, beside=True)) as feed:
        while True:
            start, event = feed.read()
            if feed.file != piece.file:
                raise LogGone(f"{piece.file.name} is another file by now")
            writer.add(event)
            if writer.end >= piece.end:
                break
        if (writer.end, start.position, digest_of(event)) != (piece.end, piece.tail, piece.digest):
            raise LogGone(f"{piece.file.name} holds something else by now")
        writer.finish()
    return writer.path


def _uploaded(logs: Store, path: Path, piece: Piece) -> bool:
    """Whether the store then holds it. Raises UserError if it gives back something else."""
    try:
        logs.put_file(path, piece.key)
        new = True
    except AlreadyThere:
        new = False  # of a run that was interrupted, or of another shipper
    wanted, found = path.read_bytes(), logs.get(piece.key)
    if wanted != found and new:
        raise UserError(
            f"{piece.key} was read back from the store otherwise than it was written.",
            "The small pieces stay, and nothing is lost. Check the store's disks.",
        )
    # What is encrypted twice differs each time, and not in its length.
    return wanted == found or (bool(piece.keys) and len(wanted) == len(found))


def _put_once(logs: Store, data: bytes, key: str) -> None:
    try:
        logs.put(data, key)
    except AlreadyThere:
        return


def _small(timeline: Timeline, piece: Piece) -> list[Piece]:
    """The pieces whose place it takes."""
    return [each for each in timeline.pieces if piece.holds(each)]


def _small_loose(timeline: Timeline, piece: Piece) -> list[Mark]:
    hour = (piece.time or 0) // HOUR
    return [mark for mark in timeline.loose if looks.within(piece, mark) and mark.time // HOUR <= hour]


def _small_marks(timeline: Timeline, piece: Piece) -> Iterator[Mark]:
    yield from _small_loose(timeline, piece)
    for each in (*_small(timeline, piece), piece):
        if each.time is not None:
            yield Mark(each.timeline, each.file, each.end, each.time)


def _removed(logs: Store, timeline: Timeline, piece: Piece) -> Iterator[int]:
    """Remove what the piece holds, some at a time. Only after the object beside it is there."""
    small = _small(timeline, piece)
    inner = [done for done in timeline.looks if piece.holds(done.piece)]
    objects: list[Piece | Mark | Looks] = [*inner, *small, *_small_loose(timeline, piece)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for start in range(0, len(objects), _SOME):
            some = [each.key for each in objects[start : start + _SOME]]
            list(pool.map(logs.delete, some))
            yield len(some)
