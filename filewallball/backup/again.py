"""A definition run once more in the throw-away server: what that server makes of it."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pymysql
from pymysql.connections import Connection

from filewallball.backup import definitions
from filewallball.backup.database import quote, rows
from filewallball.backup.inventory import Definition, definition

_CHARSET = "SELECT CHARACTER_SET_NAME FROM information_schema.CHARACTER_SETS WHERE CHARACTER_SET_NAME = %s"


def run(
    connection: Connection[Any], database: str, kind: str, name: str, made: Definition
) -> Definition | None:
    """The definition of a second one, made by the statement of `made`; None if the server refuses it.

    `kind`: view or table. Nothing of it stays in the server but the session's variables.
    """
    scratch = f"fwb_again_{secrets.token_hex(6)}"
    with suppress(pymysql.MySQLError):
        if kind == "view":
            return _view(connection, database, name, scratch, made)
        return _table(connection, database, name, scratch, made)
    return None


def _view(
    connection: Connection[Any], database: str, name: str, scratch: str, made: Definition
) -> Definition:
    cursor = connection.cursor()
    cursor.execute(f"USE {quote(database)}")
    session = dict(made.session)
    # Literals without an introducer are in the character set of the connection that made the view.
    [(charset,)] = rows(cursor, _CHARSET, session["character_set_client"])
    [(own,)] = rows(cursor, f"SELECT CAST(CONVERT(%s USING {charset}) AS BINARY)", quote(name))
    statement = made.text.encode("utf-8", "surrogateescape")
    statement = statement.replace(b" VIEW %b AS " % own, b" VIEW `%b` AS " % scratch.encode(), 1)
    cursor.execute(
        "SET character_set_client = %s, collation_connection = %s",
        (charset, session["collation_connection"]),
    )
    connection.query(statement)  # pyright: ignore[reportUnknownMemberType]
    cursor.execute("SET NAMES utf8mb4")
    try:
        found = definition(cursor, database, "VIEW", scratch)
    finally:
        cursor.execute(f"DROP VIEW {quote(scratch)}")
    text = found.text.replace(quote(scratch), own.decode("utf-8", "surrogateescape"))
    return replace(found, text=text)


def _table(
    connection: Connection[Any], database: str, name: str, scratch: str, made: Definition
) -> Definition:
    cursor = connection.cursor()
    # In a database of its own: names of foreign keys and of partitions' files are free there.
    cursor.execute(f"CREATE DATABASE {quote(scratch)}")
    try:
        cursor.execute(f"USE {quote(scratch)}")
        cursor.execute(definitions.SET)
        cursor.execute(made.text)
        return definition(cursor, scratch, "TABLE", name)
    finally:
        cursor.execute(f"DROP DATABASE {quote(scratch)}")
        cursor.execute(f"USE {quote(database)}")
