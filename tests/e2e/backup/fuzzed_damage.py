"""One thing at random is changed in each object of a restored copy: a row, a value, an index, a definition."""

# ruff: noqa: E501, S608 (statements read best in one line; names are made here)

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pymysql
from fuzzed_columns import quote

from filewallball.backup.inventory import Inventory

_SWAPS: dict[str, tuple[str, ...]] = {
    "view": ("CREATE OR REPLACE VIEW {name} AS SELECT 1 AS `other`", "DROP VIEW {name}"),
    "trigger": ("DROP TRIGGER {name}",),
    "event": ("DROP EVENT {name}", "ALTER EVENT {name} COMMENT 'other'"),
    "function": ("DROP FUNCTION {name}", "ALTER FUNCTION {name} COMMENT 'other'"),
    "procedure": ("DROP PROCEDURE {name}", "ALTER PROCEDURE {name} READS SQL DATA"),
    "package body": ("DROP PACKAGE BODY {name}",),
    "sequence": ("ALTER SEQUENCE {name} INCREMENT BY 13", "DROP SEQUENCE {name}"),
}
_COLUMNS = (
    "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()"
    " AND TABLE_NAME = %s AND IS_GENERATED = 'NEVER' AND EXTRA NOT LIKE '%%INVISIBLE%%ROW%%'"
)
_BITS = {
    "text": "concat({c}, 'x')",
    "blob": "concat({c}, 0x00)",
    "number": "{c} ^ 1",
    "double": "-{c}",
    "time": "{c} + INTERVAL 1 DAY",
}
_FAMILIES = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "blob"),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "bit"), "number"),
    **dict.fromkeys(("float", "double", "decimal"), "double"),
    **dict.fromkeys(("date", "datetime", "timestamp"), "time"),
}


def damage(cursor: Any, database: str, held: Inventory, dice: random.Random) -> dict[str, str]:
    """Change one thing in every object that lets itself be changed; label to the statement that did it.

    A trigger goes with its table's definition only, and so it counts by itself.
    """
    cursor.execute(f"USE {quote(database)}")
    cursor.execute(
        "SET sql_mode = '', foreign_key_checks = 0, check_constraint_checks = 0, unique_checks = 1"
    )
    done: dict[str, str] = {}
    for kind, names in held.objects.items():
        for name in names:
            sort, bare = name.split(" ", 1) if kind == "routine" else (kind, name)
            if name.startswith("package body "):
                sort, bare = "package body", name.removeprefix("package body ")
            choices = [each.format(name=quote(bare)) for each in _SWAPS.get(sort, ())]
            dice.shuffle(choices)
            if did := _first(cursor, choices, any_rows=True):
                done[name if kind == "routine" else f"{kind} {name}"] = did
    for name in held.tables:
        if did := _first(cursor, _table(cursor, name, dice)):
            done[f"table {name}"] = did
    return done


def _first(cursor: Any, statements: Sequence[str], *, any_rows: bool = False) -> str:
    """The first that the server takes and that changes something."""
    for statement in statements:
        try:
            rows = cursor.execute(statement)
        except pymysql.MySQLError:
            continue
        if rows or any_rows or statement.startswith("ALTER"):
            return statement
    return ""


def _table(cursor: Any, name: str, dice: random.Random) -> list[str]:
    path = quote(name)
    cursor.execute(_COLUMNS, (name,))
    values: list[str] = []
    for column, kind in cursor.fetchall():
        c = quote(column)
        if family := _FAMILIES.get(kind):
            changed = _BITS[family].format(c=c)
            values.append(f"UPDATE {path} SET {c} = {changed} WHERE {c} IS NOT NULL AND {c} <> 0 LIMIT 1")
        values.append(f"UPDATE {path} SET {c} = NULL WHERE {c} IS NOT NULL LIMIT 1")
    cursor.execute(f"SHOW INDEX FROM {path}")
    keys = {row[2] for row in cursor.fetchall()}
    shapes = [f"ALTER TABLE {path} DROP KEY {quote(key)}" for key in sorted(keys) if key != "PRIMARY"]
    shapes += [f"ALTER TABLE {path} ADD KEY `fuzz` (`id`)", f"ALTER TABLE {path} COMMENT 'changed by hand'"]
    shapes += [f"ALTER TABLE {path} ADD COLUMN `fuzz` INT DEFAULT 7"]
    rows = [f"DELETE FROM {path} LIMIT 1"]
    for each in (values, shapes):
        dice.shuffle(each)
    kinds = [values, shapes, rows]
    dice.shuffle(kinds)
    return [statement for kind in kinds for statement in kind]
