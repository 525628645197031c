"""The log's pieces in a store: which timelines there are, and from when to when `--at` works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise

from facts.binlogs import FOLDER
from filewallball.backup import catalogue as backups
from filewallball.backup.fields import ManifestError
from filewallball.backup.manifest import Manifest
from filewallball.backup.store import Store
from filewallball.binlogs import names
from filewallball.binlogs.begin import Begin
from filewallball.binlogs.names import LogFile, Looks, Mark, Piece, Place

SKEW = 5
"""Seconds by which the clocks of the backup's node and of the server may differ."""


@dataclass(frozen=True)
class Timeline:
    """One unbroken log of one server: its pieces, and marks that are objects of their own.

    `looks`: what is beside pieces that took the place of small ones.
    """

    number: int
    pieces: tuple[Piece, ...]
    loose: tuple[Mark, ...]
    looks: tuple[Looks, ...] = ()

    @property
    def merged(self) -> list[Piece]:
        """The pieces that took the place of small ones, for sure."""
        told = {looks.piece.key for looks in self.looks}
        return [piece for piece in self.pieces if piece.key in told]

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """All times at which the log was seen to end somewhere, in its order."""
        told = (
            Mark(piece.timeline, piece.file, piece.end, piece.time)
            for piece in self.pieces
            if piece.time is not None
        )
        return tuple(sorted((*self.loose, *told), key=lambda mark: (mark.place, mark.time)))

    @property
    def latest(self) -> Mark | None:
        """The newest time of which all is known."""
        return max(self.marks, key=lambda mark: (mark.place, mark.time), default=None)

    def chain(self, place: Place) -> Iterator[Piece]:
        """The pieces from the one that holds `place` on, up to the first that is missing."""
        return _chain(self.pieces, place)

    def reach(self, place: Place) -> Place | None:
        """How far the log goes from there without a hole; None if it doesn't hold the place."""
        end = None
        for piece in self.chain(place):
            end = piece.ends
        return end or (place if any(piece.ends == place for piece in self.pieces) else None)

    def may_hold(self, manifest: Manifest) -> bool:
        """Whether the snapshot of a backup can stand in this log, as far as names and times tell."""
        place, made = place_of(manifest), manifest.created.timestamp()
        files = {piece.file for piece in self.pieces if piece.file.name == place.file}
        if not any(file.created <= made + SKEW for file in files) or self.reach(place) is None:
            return False
        before = [mark.time for mark in self.marks if mark.place < place]
        after = [mark.time for mark in self.marks if mark.place > place]
        return max(before, default=0) <= made + SKEW and min(after, default=made) >= made - SKEW


@dataclass(frozen=True)
class Window:
    """Every second from `since` to `until` can be restored, beginning with one of these backups."""

    since: datetime
    until: datetime
    backups: tuple[str, ...]
    timeline: int


@dataclass(frozen=True)
class Gap:
    """No moment between the two can be restored. `why` is a sentence."""

    since: datetime
    until: datetime
    why: str


@dataclass(frozen=True)
class Reach:
    """From when to when `--at` works, the oldest first, and what lies between.

    `newest`: when the newest verified backup was made, none that a restore has saved.
    """

    windows: tuple[Window, ...]
    gaps: tuple[Gap, ...]
    newest: datetime | None = None


def place_of(manifest: Manifest) -> Place:
    """Where the backup's snapshot stands in the log."""
    return Place(manifest.snapshot.file, manifest.snapshot.position)


def below(store: Store) -> Store:
    """The store of the log's pieces, beside the backups in `store`."""
    return Store(replace(store.settings, prefix=store.settings.prefix + FOLDER))


def timelines(logs: Store) -> list[Timeline]:
    """Every timeline, the oldest first. `logs`: what `below` gives. Raises StoreError."""
    pieces: dict[int, list[Piece]] = {}
    marks: dict[int, list[Mark]] = {}
    looks: dict[int, list[Looks]] = {}
    for item in logs.list():
        if (begun := names.begun(item.key)) is not None:
            pieces.setdefault(begun, [])
        found = names.read(item.key, item.size)
        if isinstance(found, Mark):
            marks.setdefault(found.timeline, []).append(found)
        if isinstance(found, Looks):
            looks.setdefault(found.piece.timeline, []).append(found)
        if isinstance(found, Piece):
            pieces.setdefault(found.timeline, []).append(found)
    return [
        Timeline(
            number,
            tuple(sorted(found, key=lambda piece: (piece.begins, piece.end))),
            tuple(sorted(marks.get(number, ()), key=lambda mark: (mark.place, mark.time))),
            tuple(looks.get(number, ())),
        )
        for number, found in sorted(pieces.items())
    ]


def begin_of(logs: Store, timeline: int) -> Begin | None:
    """Why a timeline begins; None if nobody knows any more. Raises StoreError."""
    key = names.begin_key(timeline)
    try:
        return Begin.from_json(logs.get(key)) if logs.exists(key) else None
    except ManifestError:
        return None


def timeline_of(manifest: Manifest, found: Iterable[Timeline]) -> Timeline | None:
    """The timeline in which a backup's snapshot stands.

    A file that is in two of them was shipped twice, and the later one goes on. Old manifests don't say in
    which file they stand, but for its name.
    """
    if manifest.snapshot.begun is None:
        return next((each for each in found if each.may_hold(manifest)), None)
    place, file = place_of(manifest), LogFile(manifest.snapshot.file, manifest.snapshot.begun)
    same = [each for each in found if any(piece.file == file for piece in each.pieces)]
    return next((each for each in reversed(same) if each.reach(place) is not None), None)


def windows(store: Store, found: list[Timeline] | None = None) -> Reach:
    """From when to when `--at` works. `store`: that of the backups. Raises StoreError.

    `found`: the timelines, if they were asked for already.
    """
    logs = below(store)
    found = timelines(logs) if found is None else found
    manifests = [entry.manifest for entry in backups.entries(store) if entry.manifest]
    spans = [_span(each, found) for each in reversed(manifests) if each.verdict]
    merged = _merged(span for span in spans if span)
    verified = (each.created for each in manifests if each.verified and not each.before_restore)
    return Reach(tuple(merged), tuple(_gaps(merged, logs)), next(verified, None))


def _span(manifest: Manifest, found: list[Timeline]) -> Window | None:
    timeline = timeline_of(manifest, found)
    reach = timeline.reach(place_of(manifest)) if timeline else None
    if timeline is None or reach is None:
        return None
    until = last_second(timeline, reach)
    since = int(-(-manifest.created.timestamp() // 1))
    if until is None or until < since:
        return None
    return Window(_utc(since), _utc(until), (manifest.name,), timeline.number)


def last_second(timeline: Timeline, reach: Place) -> int | None:
    """The last second of which all is known up to that place: the one before the second of the last mark."""
    times = [mark.time for mark in timeline.marks if mark.place <= reach]
    return max(times) - 1 if times else None


def _merged(spans: Iterable[Window]) -> list[Window]:
    merged: list[Window] = []
    for span in sorted(spans, key=lambda each: each.since):
        last = merged[-1] if merged else None
        if last and last.timeline == span.timeline and span.since <= last.until:
            until = max(last.until, span.until)
            merged[-1] = replace(last, until=until, backups=(*last.backups, *span.backups))
        else:
            merged.append(span)
    return merged


def _gaps(merged: list[Window], logs: Store) -> Iterator[Gap]:
    for before, after in pairwise(merged):
        begin = None if before.timeline == after.timeline else begin_of(logs, after.timeline)
        why = begin.why if begin else "Pieces of the log are missing in the store."
        yield Gap(before.until, after.since, why)


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _chain(pieces: Iterable[Piece], place: Place) -> Iterator[Piece]:
    files: dict[int, list[Piece]] = {}
    for piece in pieces:
        files.setdefault(piece.begins.number, []).append(piece)
    number, at = place.number, place.position
    while here := files.get(number):
        starts = {piece.start: piece for piece in here}  # of those with the same start the longest comes last
        ends = {piece.end for piece in here if piece.last}
        while True:
            piece = starts.get(at)
            if piece is None or piece.end == at:
                over = (each for each in here if each.start <= at < each.end)
                piece = max(over, key=lambda each: each.end, default=None)
            if piece is None:
                break
            yield piece
            at = piece.end
        if at not in ends:
            return
        number, at = number + 1, 0
