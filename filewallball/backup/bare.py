"""A table with its columns alone: what takes a table's rows where the server refuses its own definition.

A server may show a definition that no server takes: a default with text of two character sets, say, or one
that takes its numbers from another database.
"""

from __future__ import annotations

from typing import Any

from pymysql.cursors import Cursor

from filewallball.backup.contents import Contents
from filewallball.backup.database import quote, rows

_COLUMNS = (
    "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IS_NULLABLE, IS_GENERATED,"
    " GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
)


def definition(cursor: Cursor, table: str, contents: Contents) -> bytes:
    """The statement that makes it. It has no keys, defaults, checks, generated columns and partitions."""
    columns = rows(cursor, _COLUMNS, table)
    parts = [_column(row) for row in columns if row[5] == "NEVER"]
    # With these its rows of former times are written.
    bounds = {row[6]: row for row in columns if row[6] in ("ROW START", "ROW END")}
    if bounds:
        parts += [f"{quote(row[0])} {row[1]} GENERATED ALWAYS AS {kind}" for kind, row in bounds.items()]
        names = f"{quote(bounds['ROW START'][0])}, {quote(bounds['ROW END'][0])}"
        parts += [f"PERIOD FOR SYSTEM_TIME ({names})"]
    engine = "MyISAM" if table in contents.locked else "InnoDB ROW_FORMAT=DYNAMIC"
    versioned = " WITH SYSTEM VERSIONING" if table in contents.versioned else ""
    return f"CREATE TABLE {quote(table)} ({', '.join(parts)}) ENGINE={engine}{versioned}".encode()


def _column(row: tuple[Any, ...]) -> str:
    name, kind, charset, collation, nullable, *_ = row
    text = f" CHARACTER SET {charset} COLLATE {collation}" if charset else ""
    return f"{quote(name)} {kind}{text} {'NULL' if nullable == 'YES' else 'NOT NULL'}"
