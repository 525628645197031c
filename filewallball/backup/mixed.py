"""Texts of routines and events that are in two character sets, put into one.

SHOW CREATE shows the body and the parameters as their author sent them, and writes the rest itself in UTF-8:
the name of an event, the type that a function returns, comments. Sent back in the author's character set,
that rest would be read as something else. And it writes comments with backslashes, whatever the author's
sql_mode says of those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pymysql.cursors import Cursor

from filewallball.backup import literals
from filewallball.backup.database import rows

_PROC = "SELECT param_list, body FROM mysql.proc WHERE db = DATABASE() AND name = %s AND type = %s"
_NAME = rb"(?:`(?:[^`]|``)*`|\"(?:[^\"]|\"\")*\")"
_STRING = rb"'(?:[^'\\]|''|\\.)*'"
_EVENT = re.compile(
    rb"CREATE DEFINER=%b@%b EVENT %b ON SCHEDULE (?:[^']|%b)*? ON COMPLETION (?:NOT )?PRESERVE"
    rb" (?:ENABLE|DISABLE ON SLAVE|DISABLE)(?: COMMENT %b)? DO " % (_NAME, _NAME, _NAME, _STRING, _STRING),
    re.DOTALL,
)
_COMMENT = re.compile(rb"(?<= COMMENT )" + _STRING, re.DOTALL)
_ESCAPED = re.compile(rb"''|\\(.)", re.DOTALL)
_ESCAPES = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"Z": b"\x1a"}
_WIDE = re.compile(rb"[^\x00-\x7f]+")
_UNICODE = frozenset(("utf8", "utf8mb3", "utf8mb4", "binary", ""))


def in_one(cursor: Cursor, kind: str, name: str, text: bytes, session: Mapping[str, str]) -> bytes:
    """The text of SHOW CREATE, all of it as the author would send it. `cursor` gives values as bytes.

    `kind`: PROCEDURE, FUNCTION, PACKAGE, PACKAGE BODY or EVENT; others are in one character set already.
    """
    start, end = _event(text) if kind == "EVENT" else _routine(cursor, kind, name, text)
    part = text[start:end]
    if "NO_BACKSLASH_ESCAPES" in session.get("sql_mode", ""):
        part = _COMMENT.sub(lambda found: _without_backslashes(found[0]), part)
    return text[:start] + _encoded(cursor, part, session.get("character_set_client", "")) + text[end:]


def _event(text: bytes) -> tuple[int, int]:
    found = _EVENT.match(text)
    return (0, found.end()) if found else (0, 0)


def _routine(cursor: Cursor, kind: str, name: str, text: bytes) -> tuple[int, int]:
    """What lies between the parameters and the body."""
    found = rows(cursor, _PROC, name, kind)
    if not found or not text.endswith(found[0][1]):
        return 0, 0
    parameters, body = found[0]
    end = len(text) - len(body)
    at = text.find(b"(%b)" % parameters, 0, end)
    return (0, 0) if at < 0 else (at + len(parameters) + 2, end)


def _without_backslashes(literal: bytes) -> bytes:
    value = _ESCAPED.sub(
        lambda found: b"''" if found[1] is None else _ESCAPES.get(found[1], found[1]), literal[1:-1]
    )
    return b"'" + value + b"'"


def _encoded(cursor: Cursor, part: bytes, charset: str) -> bytes:
    """The part in that character set, or as it is if it can't be said there."""
    if charset in _UNICODE:
        return part
    # ASCII stays as it is: as a character, a backslash becomes another one in sjis.
    return _WIDE.sub(lambda found: _converted(cursor, found[0], charset), part)


def _converted(cursor: Cursor, characters: bytes, charset: str) -> bytes:
    there = f"CONVERT(_utf8mb4 {literals.hexadecimal(characters).decode()} USING {charset})"
    sql = f"SELECT CAST({there} AS BINARY), CAST(CONVERT({there} USING utf8mb4) AS BINARY)"
    [(encoded, back)] = rows(cursor, sql)
    return encoded if back == characters else characters
