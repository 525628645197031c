"""Which of a log's events belong to one database: whole transactions, and within them its own tables' rows.

`mariadb-binlog --database` judges a statement by the default database of whoever gave it, so that a
`CREATE TABLE files.a …` of a session that stands elsewhere would be left out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from filewallball.binlogs.events import (
    ROWS,
    Event,
    Gtid,
    Kind,
    LogError,
    ending_statement,
    gtid_of,
    query_of,
    rows_table,
    table_of,
)

_SERVER_WIDE = re.compile(
    rb"(?:\s|/\*(?!!).*?\*/|--[^\n]*\n|#[^\n]*\n)*"
    rb"(?:(?:CREATE|ALTER|DROP|RENAME)\s+(?:OR\s+REPLACE\s+)?(?:USER|ROLE|SERVER)\b"
    rb"|GRANT\b|REVOKE\b|SET\s+(?:PASSWORD|DEFAULT\s+ROLE)\b|FLUSH\b|INSTALL\b|UNINSTALL\b)",
    re.IGNORECASE | re.DOTALL,
)
"""Statements about the server and its accounts. They change no database, and a restore leaves them alone."""
_CONTROL = re.compile(rb"\s*(?:BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|XA)\b", re.IGNORECASE)
_NOT_OVER_IT = "Restore a moment before it, or one after the next backup."
_BETWEEN = frozenset((Kind.ROTATE, Kind.STOP, Kind.FORMAT, Kind.GTID_LIST, 161))
"""What stands between groups; 161 marks how far a crash recovery would have to read."""


@dataclass
class Group:
    """What is committed as a whole. `stamp`: when the statement that commits it began."""

    gtid: Gtid
    stamp: int
    events: list[Event] = field(default_factory=list[Event])
    tables: dict[int, str] = field(default_factory=dict[int, str])
    statements: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    prepared: bool = False


class Groups:
    """Events, one after another, into groups. `open`: whether one has begun and not yet ended.

    `begun`: the first event may stand within a group that has begun before; it is left out.
    """

    def __init__(self, *, checksummed: bool = True, begun: bool = False) -> None:
        self.checksummed = checksummed
        self._begun = begun
        self._group: Group | None = None

    @property
    def open(self) -> bool:
        return self._group is not None

    def add(self, event: Event) -> Group | None:
        """The group that ends with this event, if one does. Raises LogError for what is in none."""
        group = self._group
        if event.kind == Kind.GTID and group:
            raise LogError(f"The transaction {group.gtid} has no end in the binary log.", _NOT_OVER_IT)
        if group is None and event.kind not in _BETWEEN and event.kind != Kind.GTID and not self._begun:
            raise LogError(
                f"An event of kind {event.kind} stands in no transaction of the binary log.", _NOT_OVER_IT
            )
        if event.kind == Kind.GTID:
            self._begun = False
            self._group = Group(gtid_of(event), event.stamp, [event])
            return None
        if group is None or event.kind in _BETWEEN:
            return None
        group.events.append(event)
        if event.kind == Kind.TABLE_MAP:
            number, database = table_of(event, self.checksummed)
            group.tables[number] = database
        ended = event.kind in (Kind.XID, Kind.XA_PREPARE)
        group.prepared = group.prepared or event.kind == Kind.XA_PREPARE
        if event.kind in (Kind.QUERY, Kind.QUERY_COMPRESSED):
            database, text = query_of(event, self.checksummed)
            if not _CONTROL.match(text):
                group.statements.append((database, text))
            # Not a prefix: ROLLBACK TO a savepoint ends nothing.
            ended = group.gtid.alone or group.gtid.ends or text.strip().upper() in (b"COMMIT", b"ROLLBACK")
        if ended:
            self._group = None
            return group
        return None


def commits(group: Group) -> bool:
    """Whether the group ends with a COMMIT of its own."""
    last = group.events[-1]
    return not group.gtid.alone and last.kind != Kind.XA_PREPARE and not _rolled_back(group)


def _rolled_back(group: Group) -> bool:
    last = group.events[-1]
    return last.kind == Kind.QUERY and b"ROLLBACK" in last.raw[-20:].upper()


def concerns(group: Group, database: str) -> bool:
    """Whether anything in the group may change the database."""
    return database in group.tables.values() or any(
        _may_change(where, text, database) for where, text in group.statements
    )


def foreign(group: Group, database: str) -> set[str]:
    """The other databases from which statements of the group were given."""
    return {where for where, _ in group.statements if where not in ("", database)}


def _may_change(where: str, text: bytes, database: str) -> bool:
    if _SERVER_WIDE.match(text):
        return False
    return where == database or _names(text, database)


def _names(text: bytes, database: str) -> bool:
    name = re.escape(database.encode())
    quoted = re.escape(database.replace("`", "``").encode())
    return (
        re.search(rb"(?<![\w$])" + name + rb"(?![\w$])|`" + quoted + rb"`", text, re.IGNORECASE) is not None
    )


def own(group: Group, database: str, *, checksummed: bool) -> Iterator[Event]:
    """The group's events without the rows of other databases."""
    held: Event | None = None
    for event in group.events:
        if event.kind == Kind.TABLE_MAP and table_of(event, checksummed)[1] != database:
            continue
        if event.kind in ROWS:
            table, ends = rows_table(event)
            if group.tables.get(table, database) == database:
                if held:
                    yield held
                held = event
                continue
            # The end of the statement is told by its last event, which may be about a table that is left out.
            if held and ends:
                held = ending_statement(held, checksummed)
            continue
        if held:
            yield held
            held = None
        yield event
    if held:
        yield held
