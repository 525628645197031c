"""Rows and checksum of a table.

CHECKSUM TABLE does it, but for tables with generated columns: it doesn't read these, and counts in what a
server's buffer held of an earlier row (MDEV-22943). So two equal tables have two checksums, by chance, and a
stored value that is wrong has none. These tables are added up by a query, and the virtual columns are left
out, since they may call RAND().
"""

from __future__ import annotations

from pymysql.cursors import Cursor

from filewallball.backup import broken, contents, exact
from filewallball.backup.broken import BrokenTables
from filewallball.backup.contents import Column
from filewallball.backup.database import quote, rows

GENERATED = " GENERATED ALWAYS AS "


def of(cursor: Cursor, database: str, table: str, made: str) -> tuple[int, int]:
    """The number of rows and the checksum; `made` is the text of SHOW CREATE TABLE.

    Raises BrokenTables if the server can't read the table, and the driver's other errors.
    """
    with broken.telling(table):
        return _of(cursor, database, table, made)


def _of(cursor: Cursor, database: str, table: str, made: str) -> tuple[int, int]:
    path = f"{quote(database)}.{quote(table)}"
    ((count,),) = rows(cursor, f"SELECT COUNT(*) FROM {path}")  # noqa: S608 - quoted above
    if GENERATED in made:
        return int(count), _added_up(cursor, database, table, path)
    ((_, checksum),) = rows(cursor, f"CHECKSUM TABLE {path} EXTENDED")
    if checksum is None:
        warnings = "; ".join(str(row[2]) for row in rows(cursor, "SHOW WARNINGS"))
        raise BrokenTables({table: warnings})
    return int(count), int(checksum)


def _added_up(cursor: Cursor, database: str, table: str, path: str) -> int:
    columns, history = contents.stored(cursor, database, table)
    every = " FOR SYSTEM_TIME ALL" if history else ""
    values = ", ".join(f"IFNULL(CRC32({_read(column)}), '-')" for column in columns)
    sql = f"SELECT COALESCE(SUM(CRC32(CONCAT_WS(' ', {values}))), 0) FROM {path}{every}"  # noqa: S608 - quoted
    ((added,),) = rows(cursor, sql)
    return int(added) % 2**32


def _read(column: Column) -> str:
    # CRC32 takes the bytes of a text as they are stored; a cast would copy them, however long they are.
    return quote(column.name) if column.charset else exact.read(column)
