"""Tables that a server lists and can't read. They must not keep all others out of the backup."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import pymysql
from pymysql.cursors import Cursor

from filewallball.backup.database import as_kept, quote, rows

_NUMBERS = frozenset(
    (
        *(1016, 1017, 1033, 1034, 1035, 1194, 1195),  # files that are gone or damaged
        *(1030, 1105, 1296, 1429, 1430, 1431),  # what engines say of themselves, and of servers behind them
        *(1146, 1168, 1286, 1459, 1707),  # a part of it is gone: a child, an engine, an old format
        *(1712, 1812, 1813, 1814, 1877, 1932, 1901),  # InnoDB, and expressions that are no longer allowed
    )
)
"""MariaDB's error numbers that are about one table alone."""
_FULL = re.compile(r"No space left|error(:| )\"?28\b")
_MESSAGES = (
    re.compile(r"Error:? (?P<number>\d+): (?P<why>.+) when dumping table `(?P<table>.+)` at row: \d+"),
    re.compile(r"Couldn't execute '.* FROM `(?P<table>.+?)`.*': (?P<why>.+) \((?P<number>\d+)\)", re.DOTALL),
)
"""What mariadb-dump says of them."""


class BrokenTables(Exception):
    """Tables that can't be read, and why, in the server's words."""

    def __init__(self, why: Mapping[str, str]) -> None:
        super().__init__(", ".join(why))
        self.why = dict(why)


def why(error: pymysql.MySQLError) -> str:
    """The server's words if this is about one table alone, or else nothing."""
    number, text = (*error.args, 0, "")[:2]
    return _named(int(number), str(text))


def _named(number: int, text: str) -> str:
    return text.rstrip(".") if number in _NUMBERS and not _FULL.search(text) else ""


@contextmanager
def telling(table: str) -> Generator[None]:
    """Turn the driver's errors that are about this table alone into BrokenTables."""
    try:
        yield
    except pymysql.MySQLError as error:
        if said := why(error):
            raise BrokenTables({table: said}) from error
        raise


def in_message(said: str) -> BrokenTables | None:
    """What mariadb-dump complains about, if it is one table."""
    for pattern in _MESSAGES:
        if (found := pattern.search(said)) and (text := _named(int(found["number"]), found["why"])):
            return BrokenTables({found["table"].replace("``", "`"): text})
    return None


def definition(cursor: Cursor, table: str) -> str:
    """Why the server can't show how the table is made; nothing if it can."""
    with as_kept(cursor):
        return _tried(cursor, f"SHOW CREATE TABLE {quote(table)}")


def contents(cursor: Cursor, table: str) -> str:
    """Why the server can't read the table's first row; nothing if it can."""
    return _tried(cursor, f"SELECT 1 FROM {quote(table)} LIMIT 1")  # noqa: S608 - quoted


def _tried(cursor: Cursor, sql: str) -> str:
    try:
        rows(cursor, sql)
    except pymysql.MySQLError as error:
        if said := why(error):
            return said
        raise
    return ""
