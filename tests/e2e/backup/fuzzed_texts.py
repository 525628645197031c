"""What has a text of its own in a schema: views, triggers, routines, events, made by connections of all kinds."""

# ruff: noqa: E501, S608 (statements read best in one line; names are made here)

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from fuzzed_columns import Column, quote

ODD = (
    "plain",
    "공 백",
    "back`tick",
    "dot.ted",
    "perc%ent",
    "quo'te",
    "UPPER",
    "select",
    "dash-ed",
    "é$",
    "{b}",
)
"""What names end in."""
CLIENTS = {"utf8mb4": "utf8", "utf8mb3": "utf8", "latin1": "cp1252", "euckr": "euc_kr"}
"""Character sets of connections, and Python's names of them."""
WORDS = {"utf8mb4": "한🧱", "utf8mb3": "한é", "latin1": "é€", "euckr": "가나"}
MODES = ("", "", "", "ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "STRICT_ALL_TABLES")


@dataclass(frozen=True)
class Statement:
    """One statement and the session that sends it."""

    sql: str
    charset: str = "utf8mb4"
    mode: str = ""

    def session(self) -> str:
        """The statement before it. InnoDB takes options that don't go together."""
        return (
            f"SET NAMES {self.charset}, sql_mode = '{self.mode}', foreign_key_checks = 0, check_constraint_checks = 0,"
            f" time_zone = DEFAULT, innodb_strict_mode = 0, system_versioning_alter_history = 'KEEP'"
        )

    def encoded(self) -> bytes:
        """As its connection sends it."""
        return self.sql.encode(CLIENTS[self.charset])


class Texts:
    """One schema, and what has a text in it."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.prefix = f"s{seed}_"
        self.tables: list[tuple[str, list[Column]]] = []
        self.number = 0

    def name(self, what: str) -> str:
        self.number += 1
        return f"{self.prefix}{what}{self.number} {self.dice.choice(ODD)}"[:60].rstrip()

    def some(self) -> tuple[str, list[Column]]:
        return self.dice.choice(self.tables)

    def of_session(self) -> tuple[str, str, str]:
        charset = self.dice.choice(list(CLIENTS))
        return charset, self.dice.choice(MODES), WORDS[charset]

    def _safe(self, name: str) -> str:
        """The name, if every connection can say it."""
        return name if name.isascii() else f"{self.prefix}v{self.number}"

    def view(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self.of_session()
        table, columns = self.some()
        if not table.isascii() and charset in ("latin1", "euckr"):
            charset, word = "utf8mb4", WORDS["utf8mb4"]
        name, one = self._safe(self.name("view")), quote(dice.choice(columns).name)
        if not all(each.name.isascii() for each in columns):
            charset, word = "utf8mb4", WORDS["utf8mb4"]
        source = quote(table)
        body = dice.choice([
            f"SELECT `id`, concat(`id`, _utf8' ', '{word}') AS `t`, _latin1'x' AS `u` FROM {source}",
            f"SELECT {one} AS `v`, if(`id` > 1, '{word}', _latin1'b') AS `t` FROM {source} WHERE `id` < 9",
            f"SELECT count(*) AS `n`, group_concat(`id` ORDER BY 1 SEPARATOR '{word}') AS `g` FROM {source} GROUP BY `id` % 3",
            f"SELECT `id` FROM {source} UNION ALL SELECT 1 FROM DUAL",
            f"WITH `w` AS (SELECT `id` FROM {source} WHERE '{word}' <> 'a') SELECT * FROM `w` JOIN {source} `b` USING (`id`)",
            f"SELECT `id`, row_number() OVER (ORDER BY `id`) AS `n` FROM {source}",
            f"SELECT CASE `id` WHEN 1 THEN '{word}' ELSE date_format('2024-01-01', '%Y {word}') END AS `c` FROM {source}",
            f"SELECT `id`, (SELECT max(`id`) FROM {source}) AS `m` FROM {source} WHERE `id` IN (SELECT `id` FROM {source})",
            f"SELECT cast('{word}' AS CHAR CHARACTER SET utf8mb3) AS `t`, 'a' COLLATE {charset}_bin AS `u` FROM {source}",
            rf"SELECT 'back\\slash' AS `a`, '%\_' AS `b`, `id` LIKE 'a|%' ESCAPE '|' AS `c` FROM {source}",
        ])  # fmt: skip
        how = dice.choice(["", "ALGORITHM=MERGE ", "ALGORITHM=TEMPTABLE ", "SQL SECURITY INVOKER "])
        yield Statement(f"CREATE {how}VIEW {quote(name)} AS {body}", charset, mode)
        if dice.random() < 0.3:
            yield Statement(f"CREATE VIEW {quote(self.prefix + 'a' + name)} AS SELECT * FROM {quote(name)}")

    def trigger(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self.of_session()
        table, _columns = self.some()
        if not table.isascii():
            charset, word = "utf8mb4", WORDS["utf8mb4"]
        name = self._safe(self.name("trigger"))
        body = dice.choice([
            "SET @fuzz = NEW.`id`", f"SET @fuzz = '{word};;'", "BEGIN\r\n  -- one; ''two\r\n  SET @fuzz = 1;\r\nEND",
            f"BEGIN DECLARE x INT DEFAULT 1; /* {word} */ WHILE x < 3 DO SET x = x + 1; END WHILE; END",
        ])  # fmt: skip
        when = f"{dice.choice(['BEFORE', 'AFTER'])} {dice.choice(['INSERT', 'UPDATE'])}"
        yield Statement(
            f"CREATE TRIGGER {quote(name)} {when} ON {quote(table)} FOR EACH ROW {body}", charset, mode
        )
        order = dice.choice(["FOLLOWS", "PRECEDES"])
        yield Statement(
            f"CREATE TRIGGER {quote(name + '2')} {when} ON {quote(table)} FOR EACH ROW {order} {quote(name)} SET @b = 2"
        )

    def routine(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self.of_session()
        name = quote(self._safe(self.name("routine")))
        end = dice.choice(
            ["", "SQL SECURITY INVOKER ", "DETERMINISTIC NO SQL ", f"COMMENT 'it''s {word}; x' "]
        )
        yield Statement(dice.choice([
            f"CREATE FUNCTION {name}(a INT, b VARCHAR(9)) RETURNS VARCHAR(50) {end}RETURN concat(a, '{word}', b)",
            f"CREATE PROCEDURE {name}(IN a INT, OUT b TEXT, INOUT c DECIMAL(9,2)) {end}BEGIN\n  SET b = '{word}';\nEND",
            f"CREATE AGGREGATE FUNCTION {name}(x INT) RETURNS INT {end}BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE"
            " HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END",
            f"CREATE FUNCTION {name}() RETURNS ENUM('a','{word}') CHARACTER SET {charset} {end}RETURN 'a'",
        ]), charset, mode)  # fmt: skip

    def oracle(self) -> Iterator[Statement]:
        name = quote(f"{self.prefix}package")
        yield Statement(f"CREATE PACKAGE {name} AS FUNCTION f RETURN INT; PROCEDURE p; END", mode="ORACLE")
        yield Statement(
            f"CREATE PACKAGE BODY {name} AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END;"
            " PROCEDURE p AS BEGIN SELECT 1; END; END",
            mode="ORACLE",
        )

    def event(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self.of_session()
        name = quote(self._safe(self.name("event")))
        when = dice.choice([
            "EVERY 1 DAY STARTS '2035-01-01 03:00:00'", "AT '2036-01-01 00:00:00'", "EVERY '1:30' HOUR_MINUTE STARTS"
            " '2035-05-05 00:00:00' ENDS '2037-01-01 00:00:00'",
        ])  # fmt: skip
        end = dice.choice(
            ["", "ON COMPLETION PRESERVE", "DISABLE", "DISABLE ON SLAVE", f"COMMENT '{word} ''b'"]
        )
        yield Statement(
            f"CREATE EVENT {name} ON SCHEDULE {when} {end} DO SET @fuzz = '{word}'", charset, mode
        )
