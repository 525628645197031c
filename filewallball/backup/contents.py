"""What a database holds, and on which way the rows of each table are taken.

Most tables go by mariadb-dump out of the snapshot. Two kinds don't:

- What is in no snapshot: tables of MyISAM, Aria, MEMORY, CSV, ARCHIVE. They are locked for a while.
- What mariadb-dump doesn't write as it is: see `_needs`. `exact` writes the rows of these tables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pymysql.cursors import Cursor

from filewallball.backup import broken
from filewallball.backup.database import quote, rows

Form = Literal["number", "text", "real", "bytes", "index"]
"""How a value is written: bare, quoted, as a DOUBLE's digits, as its bytes, as its number in a list."""
_NUMBERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "year"))
_BYTES = frozenset(
    (
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
        *("geometry", "point", "linestring", "polygon"),
        *("multipoint", "multilinestring", "multipolygon", "geometrycollection"),
    )
)
_UNICODE = frozenset(("utf8", "utf8mb3", "utf8mb4", "ascii", "latin1"))
"""Character sets in which all text survives the way through utf8mb4."""
LONG = 8 * 2**20
"""Bytes from which on a value is written in pieces: in one, it takes twelve times its length in memory."""
_EMPTY_MEMBER = re.compile(r"[(,]''[,)]")
OUTSIDE = frozenset(("CONNECT", "FEDERATED", "OQGRAPH", "S3", "SPHINX", "SPIDER"))
"""Engines whose rows lie elsewhere."""
_WITHOUT_ROWS = frozenset(("BLACKHOLE", "MRG_MyISAM"))
"""Engines whose tables have no rows of their own."""
_TABLES = (
    "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COMMENT FROM information_schema.TABLES"
    " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED', 'SEQUENCE') ORDER BY 1"
)
_COLUMNS = (
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, NUMERIC_SCALE, CHARACTER_SET_NAME, IS_GENERATED,"
    " GENERATION_EXPRESSION, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
)
_IN_ORDER = " ORDER BY TABLE_NAME, ORDINAL_POSITION"
_OF_ONE = " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
_KIND = "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
_SNAPSHOTS = "SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES'"


@dataclass(frozen=True)
class Column:
    """One column; `charset` if its text has another character set than the connection can hold."""

    name: str
    form: Form
    charset: str = ""


@dataclass(frozen=True)
class Exact:
    """A table whose rows `exact` writes. `history`: with the rows of former times."""

    name: str
    columns: tuple[Column, ...]
    history: bool


@dataclass(frozen=True)
class Contents:
    """Names of tables and sequences. Each table's rows are in one of `plain` and `exact`, if it has any.

    `locked`: those that are in no snapshot. `outside`: rows elsewhere; `without_rows`: no rows of their own;
    `unreadable`: no rows can be taken. `versioned`: those that keep former rows.
    `differences`: what is not taken as it is, a line each, with the statement that mends it.
    """

    sequences: tuple[str, ...]
    tables: tuple[str, ...]
    plain: tuple[str, ...]
    exact: tuple[Exact, ...]
    locked: frozenset[str]
    outside: frozenset[str]
    without_rows: frozenset[str]
    versioned: frozenset[str]
    unreadable: frozenset[str]
    differences: tuple[str, ...]

    @property
    def in_snapshot(self) -> tuple[str, ...]:
        """The tables whose rows mariadb-dump takes out of the snapshot."""
        return tuple(name for name in self.plain if name not in self.locked)


@dataclass(frozen=True)
class _Field:
    """A row of information_schema.COLUMNS."""

    table: str
    name: str
    sort: str
    full: str
    scale: int | None
    charset: str | None
    generated: bool
    expression: str
    extra: str

    @property
    def virtual(self) -> bool:
        """Whether its value is worked out when it is read."""
        return "VIRTUAL" in self.extra

    @property
    def bounds(self) -> bool:
        """Whether it tells from when or until when a row was the present one."""
        return self.expression in ("ROW START", "ROW END")


def read(cursor: Cursor, database: str, known: Mapping[str, str] = MappingProxyType({})) -> Contents:
    """Look at all tables; some are searched for values that mariadb-dump changes, or writes in one piece.

    `known`: tables that turned out to be broken, and why.
    """
    listed = rows(cursor, _TABLES, database)
    snapshots = {str(engine) for (engine,) in rows(cursor, _SNAPSHOTS)}
    fields: dict[str, list[_Field]] = {}
    for row in rows(cursor, _COLUMNS + _IN_ORDER, database):
        fields.setdefault(row[0], []).append(_field(row))
    sequences: list[str] = []
    tables: list[str] = []
    plain: list[str] = []
    exact: list[Exact] = []
    locked: set[str] = set()
    outside: set[str] = set()
    without_rows: set[str] = set()
    unreadable: set[str] = set()
    differences: list[str] = []
    for name, kind, engine, comment in listed:
        why = known.get(name) or (comment or "the server does not say why" if engine is None else "")
        if why := why or broken.definition(cursor, name):
            unreadable.add(name)
            differences.append(_cannot_be_read(name, engine or "", why))
            continue
        if kind == "SEQUENCE":
            sequences.append(name)
            continue
        tables.append(name)
        if engine in OUTSIDE:
            outside.add(name)
            differences.append(_rows_elsewhere(name, engine))
            continue
        if engine in _WITHOUT_ROWS:
            without_rows.add(name)
        if why := broken.contents(cursor, name):
            unreadable.add(name)
            differences.append(_cannot_be_read(name, str(engine), why, kept=name in without_rows))
            if name not in without_rows:
                tables.remove(name)
            continue
        if engine not in snapshots:
            locked.add(name)
        if name in without_rows:
            continue
        own, versioned = fields.get(name, []), kind == "SYSTEM VERSIONED"
        by_transaction = _by_transaction(own)
        if by_transaction:
            differences.append(_history_lost(name))
        if by_transaction or _needs(own) or _is_odd(cursor, name, own, versioned):
            exact.append(_exact(name, own, history=versioned and not by_transaction))
        else:
            plain.append(name)
    return Contents(
        tuple(sequences),
        tuple(tables),
        tuple(plain),
        tuple(exact),
        frozenset(locked),
        frozenset(outside),
        frozenset(without_rows),
        frozenset(name for name, kind, *_ in listed if kind == "SYSTEM VERSIONED"),
        frozenset(unreadable),
        tuple(differences),
    )


def stored(cursor: Cursor, database: str, table: str) -> tuple[list[Column], bool]:
    """The columns that a table keeps, and whether its rows of former times are compared.

    Numbers of transactions are left out, and history that consists of them: each server has its own.
    """
    [(kind,)] = rows(cursor, _KIND, database, table)
    found = [_field(row) for row in rows(cursor, _COLUMNS + _OF_ONE, database, table)]
    by_transaction = _by_transaction(found)
    history = kind == "SYSTEM VERSIONED" and not by_transaction
    kept = [field for field in found if not field.virtual and not (by_transaction and field.bounds)]
    return [_column(field) for field in kept] + _hidden_bounds(found, history=history), history


def _field(row: Sequence[Any]) -> _Field:
    table, name, sort, full, scale, charset, generated, expression, extra = row
    return _Field(table, name, sort, full, scale, charset, generated != "NEVER", expression or "", extra)


def _by_transaction(fields: Iterable[_Field]) -> bool:
    return any(field.bounds and field.sort == "bigint" for field in fields)


def _stored(fields: Iterable[_Field]) -> list[_Field]:
    return [field for field in fields if not field.generated]


def _needs(fields: Iterable[_Field]) -> bool:
    """Whether mariadb-dump loses something of such columns.

    It writes a FLOAT with 6 digits, though it holds up to 9; with fixed decimals, FLOAT(M,D), it is exact.
    Text goes through utf8mb4, from which some character sets don't come back. Of a list in which '' is a
    member, it can't tell that member from the value of what never was in the list.
    """
    return any(
        (field.sort == "float" and field.scale is None)
        or (field.charset is not None and field.charset not in _UNICODE)
        or (field.sort in ("enum", "set") and _EMPTY_MEMBER.search(field.full) is not None)
        for field in _stored(fields)
    )


def _is_odd(cursor: Cursor, table: str, fields: Iterable[_Field], versioned: bool) -> bool:
    """Whether there is a value that mariadb-dump loses or that is too long for one statement."""
    odd = [
        f"({quote(field.name)} = 0 AND {quote(field.name)} LIKE '-%')"
        if field.sort in ("float", "double")
        else f"OCTET_LENGTH({quote(field.name)}) > {LONG}"
        for field in _stored(fields)
        if field.sort in ("float", "double", "longblob", "longtext")
    ]
    every = " FOR SYSTEM_TIME ALL" if versioned else ""
    sql = f"SELECT 1 FROM {quote(table)}{every} WHERE {' OR '.join(odd)} LIMIT 1"  # noqa: S608 - quoted
    return bool(odd) and bool(rows(cursor, sql))


def _exact(name: str, fields: Iterable[_Field], *, history: bool) -> Exact:
    # With those that the server works out and keeps, as mariadb-dump does: a table may have to do without it.
    columns = [_column(field) for field in fields if (history if field.bounds else not field.virtual)]
    return Exact(name, (*columns, *_hidden_bounds(fields, history=history)), history)


def _hidden_bounds(fields: Iterable[_Field], *, history: bool) -> list[Column]:
    if not history or any(field.bounds for field in fields):
        return []
    return [Column("row_start", "text"), Column("row_end", "text")]


def _column(field: _Field) -> Column:
    if field.sort in _NUMBERS:
        return Column(field.name, "number")
    if field.sort in ("float", "double"):
        return Column(field.name, "real")
    if field.sort in ("bit", "enum", "set"):
        return Column(field.name, "index")
    if field.sort in _BYTES:
        return Column(field.name, "bytes")
    if field.charset is not None and field.charset not in _UNICODE:
        return Column(field.name, "bytes", field.charset)
    return Column(field.name, "text")


def _cannot_be_read(name: str, engine: str, why: str, *, kept: bool = False) -> str:
    path = quote(name)
    what = "only its definition is in" if kept else "nothing of it is in"
    if engine == "MRG_MyISAM":
        mend = f"Run `ALTER TABLE {path} UNION=(…);` with the tables that are there, or `DROP TABLE {path};`."
    elif engine == "InnoDB":
        mend = f"Run `DROP TABLE {path};`, and take the table from an older backup."
    else:
        mend = f"Run `CHECK TABLE {path};`, and then `REPAIR TABLE {path};` or `DROP TABLE {path};`."
    return f"table {name}: it cannot be read ({why}), so {what} the backup. {mend}"


def _rows_elsewhere(name: str, engine: str) -> str:
    return (
        f"table {name}: its rows lie outside of this server (ENGINE={engine}). Only its definition is in the"
        f" backup. Run `ALTER TABLE {quote(name)} ENGINE=InnoDB;`, if they belong here."
    )


def _history_lost(name: str) -> str:
    path = quote(name)
    return (
        f"table {name}: its history counts transactions, which have other numbers on another server. The"
        " present rows are in the backup, the former ones are not. To keep a history from now on, run"
        f" `ALTER TABLE {path} DROP SYSTEM VERSIONING;` and `ALTER TABLE {path} ADD SYSTEM VERSIONING;`."
    )
