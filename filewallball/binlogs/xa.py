"""Transactions of XA, which stand in the log twice: all that they do at XA PREPARE, and later how they ended.

What is between the two can't depend on them: their rows are locked. So they are replayed as ordinary
transactions, at the place of XA COMMIT, from which on others see what they did.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from filewallball.binlogs.events import Event, Gtid, Kind, commit_event, gtid_event, query_of, resummed
from filewallball.binlogs.groups import Group, concerns, own
from filewallball.errors import UserError

_COMMITS = re.compile(rb"\s*XA\s+COMMIT\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Held:
    group: Group
    checksummed: bool


class Prepared:
    """The transactions that are prepared and not yet ended. `database`: the one that is replayed."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._held: dict[bytes, _Held | None] = {}

    def hold(self, group: Group, *, checksummed: bool) -> None:
        """Keep a transaction until it ends. Raises UserError for one that can't be replayed later."""
        if not concerns(group, self._database):
            self._held[group.gtid.xid] = None
            return
        if group.statements:
            raise _refused(
                group, "which holds statements in place of rows (binlog_format), and can't be replayed"
            )
        self._held[group.gtid.xid] = _Held(group, checksummed)

    def ended(self, group: Group, *, checksummed: bool) -> list[Event]:
        """What a transaction did, as one that commits here; nothing if it is of others, or was rolled back.

        Raises UserError if it was prepared before the log that is replayed.
        """
        _, text = query_of(group.events[-1], checksummed)
        known = group.gtid.xid in self._held
        held = self._held.pop(group.gtid.xid, None)
        if not _COMMITS.match(text):
            return []
        if not known:
            raise _refused(group, "whose XA PREPARE is older than the backup, so that nobody knows its rows")
        if held is None:
            return []
        events = own(held.group, self._database, checksummed=held.checksummed)
        rows = (resummed(each, held.checksummed, checksummed) for each in events if _stays(each))
        first, last = group.events[0], group.events[-1]
        return [gtid_event(first, group.gtid, checksummed), *rows, commit_event(last, checksummed)]


def _stays(event: Event) -> bool:
    # Without XA START, XA END and XA PREPARE around it.
    return event.kind not in (Kind.GTID, Kind.QUERY, Kind.QUERY_COMPRESSED, Kind.XA_PREPARE)


def _refused(group: Group, why: str) -> UserError:
    told = "{:%Y-%m-%d %H:%M:%S} UTC"
    at, before = (
        told.format(datetime.fromtimestamp(second, UTC)) for second in (group.stamp, group.stamp - 1)
    )
    gtid: Gtid = group.gtid
    return UserError(
        f"The transaction {gtid} of {at} is one of XA, {why}.",
        f'Moments up to --at "{before}" can be restored, and those after the next backup.',
    )
