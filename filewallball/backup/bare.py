"""A table with its columns alone: what takes a table's rows where the server refuses its own definition.

A server may show a definition that no server takes: a default with text of two character sets, say, or one
that takes its numbers from another database.
"""

from __future__ import annotations

import re
from typing import Any

from pymysql.cursors import Cursor

from filewallball.backup.contents import Contents
from filewallball.backup.database import quote, rows

_COLUMNS = (
    "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, IS_GENERATED,"
    " GENERATION_EXPRESSION, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
)
_OPTIONS = (
    "SELECT CREATE_OPTIONS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s"
)
_FORMAT = re.compile(r"\brow_format=(?:DYNAMIC|FIXED)\b", re.IGNORECASE)
"""Where it is told, CHECKSUM TABLE depends on it; on the other formats it does not."""
_BOUNDS = ("ROW START", "ROW END")


def definition(cursor: Cursor, table: str, contents: Contents) -> bytes:
    """The statement that makes it. It has no keys, defaults, checks, expressions and partitions.

    Each column is in its place, since rows are written in this order. Equal rows have the checksum of before.
    """
    columns = rows(cursor, _COLUMNS, table)
    parts = [_column(row) for row in columns]
    # With these its rows of former times are written.
    if bounds := {row[6]: quote(row[0]) for row in columns if row[6] in _BOUNDS}:
        parts += [f"PERIOD FOR SYSTEM_TIME ({', '.join(bounds[kind] for kind in _BOUNDS)})"]
    [(options,)] = rows(cursor, _OPTIONS, table)
    told = _FORMAT.search(options or "")
    engine = f"{'MyISAM' if table in contents.locked else 'InnoDB'}{f' {told[0]}' if told else ''}"
    versioned = " WITH SYSTEM VERSIONING" if table in contents.versioned else ""
    return f"CREATE TABLE {quote(table)} ({', '.join(parts)}) ENGINE={engine}{versioned}".encode()


def _column(row: tuple[Any, ...]) -> str:
    name, kind, charset, collation, nullable, generated, expression, extra = row
    if expression in _BOUNDS:
        return f"{quote(name)} {kind} GENERATED ALWAYS AS {expression}"
    text = f"{quote(name)} {kind}" + (f" CHARACTER SET {charset} COLLATE {collation}" if charset else "")
    if "VIRTUAL" in extra:
        return f"{text} GENERATED ALWAYS AS (NULL) VIRTUAL"
    if generated != "NEVER":
        # `sums` knows by these words that there were columns which CHECKSUM TABLE doesn't read.
        return f"{text} COMMENT 'was GENERATED ALWAYS AS an expression'"
    return f"{text} {'NULL' if nullable == 'YES' else 'NOT NULL'}"
