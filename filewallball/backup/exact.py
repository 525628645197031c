"""The rows of tables that mariadb-dump doesn't write as they are: read one by one, written value by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from filewallball.backup import broken, literals
from filewallball.backup.contents import LONG, Column, Exact
from filewallball.backup.database import quote

_PIECE = 2 * 2**20
"""Bytes of a long value in one statement."""
_STATEMENT = 512 * 1024
"""Bytes after which a statement takes no more rows."""


def insertions(connection: Connection[Any], table: Exact) -> Iterator[bytes]:
    """The INSERT statements of a table, as the connection's transaction sees it.

    Raises BrokenTables if the server can't read it, and the driver's other errors. From then on the
    connection gives bytes.
    """
    as_bytes(connection)
    head = _head(table)
    writers = [_writer(column) for column in table.columns]
    if table.history:
        yield b"SET SESSION system_versioning_insert_history=1;\n"
    with broken.telling(table.name), closing(connection.cursor(SSCursor)) as cursor:
        cursor.execute(_query(table))
        found: list[bytes] = []
        size = 0
        while (row := cursor.fetchone()) is not None:
            pieces = {at: value for at, value in enumerate(row) if value is not None and len(value) > LONG}
            for at, value in pieces.items():
                yield from _kept(at, value)
            values = b",".join(
                b"NULL"
                if value is None
                else _taken(at, table.columns[at])
                if at in pieces
                else writers[at](value)
                for at, value in enumerate(row)
            )
            found.append(b"(" + values + b")")
            size += len(values)
            if size > _STATEMENT or pieces:
                yield head + b",\n".join(found) + b";\n"
                found, size = [], 0
            yield from (f"SET @fwb_{at} = NULL;\n".encode() for at in pieces)
        if found:
            yield head + b",\n".join(found) + b";\n"
    if table.history:
        yield b"SET SESSION system_versioning_insert_history=0;\n"


def _kept(at: int, value: bytes) -> Iterator[bytes]:
    """Statements that put a long value together in a variable."""
    name = f"@fwb_{at}".encode()
    yield b"SET " + name + b" = X'';\n"
    for start in range(0, len(value), _PIECE):
        piece = literals.hexadecimal(value[start : start + _PIECE])
        yield b"SET " + name + b" = CONCAT(" + name + b", " + piece + b");\n"


def _taken(at: int, column: Column) -> bytes:
    """The value that `_kept` put together. What was read as text is in the connection's character set."""
    return (f"CONVERT(@fwb_{at} USING utf8mb4)" if column.form == "text" else f"@fwb_{at}").encode()


def as_bytes(connection: Connection[Any]) -> Connection[Any]:
    """The connection, which from now on gives every value as the server sends it."""
    connection.use_unicode, connection.decoders = False, {}  # pyright: ignore[reportAttributeAccessIssue]
    return connection


def _query(table: Exact) -> str:
    columns = ", ".join(read(column) for column in table.columns)
    every = " FOR SYSTEM_TIME ALL" if table.history else ""
    return f"SELECT {columns} FROM {quote(table.name)}{every}"  # noqa: S608 - quoted


def _head(table: Exact) -> bytes:
    columns = b", ".join(literals.name(column.name) for column in table.columns)
    return b"INSERT INTO " + literals.name(table.name) + b" (" + columns + b") VALUES\n"


def read(column: Column) -> str:
    """SQL that reads a column's values so that nothing of them is lost."""
    name = quote(column.name)
    if column.form == "real":
        return f"CAST({name} AS DOUBLE)"
    if column.form == "index":
        return f"CAST({name} AS UNSIGNED)"
    return f"CAST({name} AS BINARY)" if column.charset else name


def _writer(column: Column) -> Callable[[bytes], bytes]:
    if column.form in ("number", "index"):
        return bytes
    if column.form == "bytes":
        introducer = f"_{column.charset} ".encode() if column.charset else b""
        return lambda value: introducer + literals.hexadecimal(value)
    # A bare -0 would be a whole number, which has no sign: in quotes it keeps it.
    return literals.text
