"""Which backups have had their time. The newest ones stay, whatever their age and whatever a clock says.

A backup goes when its date is more than so many days ago. What stays in any case:
- the newest verified one, the newest verified one that has rows, and the newest of any verdict;
- the newest that no restore has saved before it began;
- of each of these also the one that was made last, if a clock that was set back gave it an old date: the
  store took it in later, and its snapshot stands later in the binary log;
- what isn't whole, or isn't known: a manifest that can't be read, a file of another name.

A clock that runs ahead makes none older than the store's own time does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import gt

from filewallball.backup import catalogue
from filewallball.backup.catalogue import Entry
from filewallball.backup.manifest import Position
from filewallball.backup.names import CHECKS_PREFIX, MANIFEST_SUFFIX
from filewallball.backup.store import Store

_EVER = datetime.min.replace(tzinfo=UTC)


def prune(store: Store, days: int, keep: Iterable[str] = (), now: datetime | None = None) -> list[str]:
    """Remove the backups that are older than `days`, but none of `keep`; their names. Raises StoreError."""
    found = catalogue.entries(store)
    gone = expendable(found, days, now or datetime.now(UTC), keep)
    for name in gone:
        # Without its manifest it is none any more, so that goes first.
        store.delete(name + MANIFEST_SUFFIX)
        store.delete(name)
    return gone


def expendable(found: Sequence[Entry], days: int, now: datetime, keep: Iterable[str] = ()) -> list[str]:
    """The names of those that may go, the oldest first."""
    whole = [entry for entry in found if entry.manifest and entry.manifest.verdict]
    taken_in = [entry.stored for entry in whole if entry.stored]
    if not whole or not taken_in:
        return []
    limit = min(now, max(taken_in)) - timedelta(days=days)
    verified = [entry for entry in whole if entry.verified]
    full = [entry for entry in verified if _rows(entry)]
    own = [entry for entry in full if entry.manifest and not entry.manifest.before_restore]
    stay = {*keep, *(name for some in (whole, verified, full, own) for name in _newest(some, now))}
    return sorted(entry.name for entry in whole if _date(entry) < limit and entry.name not in stay)


def _newest(entries: Sequence[Entry], now: datetime) -> set[str]:
    """The newest by its date, by its date but for those of the future, and the one that was made last."""
    names: set[str] = set()
    for some in (entries, [entry for entry in entries if _date(entry) <= now]):
        if some:
            newest = max(some, key=_date)
            later = [entry for entry in some if all(map(gt, _made(entry), _made(newest)))]
            names |= {newest.name, max(later, key=_made, default=newest).name}
    return names


def _made(entry: Entry) -> tuple[datetime, tuple[str, int]]:
    """When it was made, by the store's clock and by the server's binary log."""
    snapshot = entry.manifest.snapshot if entry.manifest else Position("", 0)
    return entry.stored or _EVER, (snapshot.file, snapshot.position)


def _date(entry: Entry) -> datetime:
    """What its name and its manifest say; the later one counts."""
    return max(entry.time, entry.manifest.created) if entry.manifest else entry.time


def _rows(entry: Entry) -> int:
    tables = entry.manifest.tables if entry.manifest else {}
    return sum(table.rows for name, table in tables.items() if not name.startswith(CHECKS_PREFIX))
