"""Removing pieces of the log that no backup needs any more."""

from __future__ import annotations

from collections.abc import Callable

from filewallball.backup import names as backups
from filewallball.backup.store import Store
from filewallball.binlogs import catalogue
from filewallball.binlogs.catalogue import Timeline
from filewallball.binlogs.names import begin_key

SPARE_SECONDS = 3600
"""A file of the log is kept for so long after the oldest backup has ceased to need it."""


def prune(store: Store, say: Callable[[str], None]) -> int:
    """Remove whole files of the log that ended before the oldest backup; return how many objects went.

    The oldest backup is the oldest by name, whether it is whole or not. Without any backup nothing is
    removed, and nothing ever whose name isn't one of a piece or mark. Raises StoreError.
    """
    oldest = _oldest_backup(store)
    if oldest is None:
        return 0
    logs, removed = catalogue.below(store), 0
    found = catalogue.timelines(logs)
    for timeline in found:
        newest = timeline is found[-1]
        old = _old(timeline, oldest - SPARE_SECONDS, newest=newest)
        for key in old:
            logs.delete(key)
        removed += len(old)
        if not newest and len(old) == len(timeline.pieces) + len(timeline.loose) + len(timeline.looks):
            # Last of all: whoever is interrupted before finds the rest again.
            logs.delete(begin_key(timeline.number))
    if removed:
        say(f"{removed} objects of the binary log were removed: they are older than the oldest backup.")
    return removed


def _oldest_backup(store: Store) -> float | None:
    times = (backups.backup_time(item.key.removesuffix(backups.MANIFEST_SUFFIX)) for item in store.list())
    return min((time.timestamp() for time in times if time), default=None)


def _old(timeline: Timeline, before: float, *, newest: bool) -> list[str]:
    """Names of the objects of the first files that ended before that time, in the log's order."""
    files = sorted({piece.begins.number for piece in timeline.pieces})
    if newest:
        files = files[:-1]  # The shipper goes on after it.
    last = 0
    for number in files:
        ended = _ended(timeline, number)
        if ended is None or ended >= before:
            break
        last = number
    objects = [*((piece.ends, piece.key) for piece in timeline.pieces)]
    objects += [(mark.place, mark.key) for mark in timeline.loose]
    objects += [(looks.piece.ends, looks.key) for looks in timeline.looks]
    return [key for place, key in sorted(objects) if place.number <= last]


def _ended(timeline: Timeline, number: int) -> int | None:
    """When the file of that number had ended, at the latest; None if nobody can say."""
    after = [mark.time for mark in timeline.marks if mark.place.number > number]
    return min(after) if after else max((mark.time for mark in timeline.marks), default=None)
