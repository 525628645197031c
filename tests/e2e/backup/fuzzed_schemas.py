"""Schemas with everything that the server has, and data in them. By a seed: the same each time.

Many schemas share one database: the names of the one with seed N begin with `sN_`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fuzzed_columns import CHARSETS, COMMENTS, Column, Dice, column, quote, text

ODD = ("plain", "공 백", "back`tick", "dot.ted", "perc%ent", "quo'te", "UPPER", "select", "dash-ed", "é$", "{b}")
"""What names end in."""
TRANSACTIONAL = ("InnoDB",)
OTHERS = ("MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV")
CLIENTS = {"utf8mb4": "utf8", "utf8mb3": "utf8", "latin1": "cp1252", "euckr": "euc_kr"}
"""Character sets of connections, and Python's names of them."""
WORDS = {"utf8mb4": "한🧱", "utf8mb3": "한é", "latin1": "é€", "euckr": "가나"}
MODES = ("", "", "", "ANSI_QUOTES", "PIPES_AS_CONCAT", "NO_BACKSLASH_ESCAPES", "STRICT_ALL_TABLES")
_ROWS = 12


@dataclass(frozen=True)
class Statement:
    """One statement and the session that sends it."""

    sql: str
    charset: str = "utf8mb4"
    mode: str = ""

    def session(self, *, lax: bool) -> str:
        """The statement before it; `lax`: InnoDB takes options that don't go together."""
        return (
            f"SET NAMES {self.charset}, sql_mode = '{self.mode}', foreign_key_checks = 0, check_constraint_checks = 0,"
            f" time_zone = DEFAULT, innodb_strict_mode = {int(not lax)}, system_versioning_alter_history = 'KEEP'"
        )

    def encoded(self) -> bytes:
        """As its connection sends it."""
        return self.sql.encode(CLIENTS[self.charset])


class Schema:
    """One schema: `without` names families of columns, engines and objects that are left out."""

    def __init__(self, seed: int, without: frozenset[str] = frozenset()) -> None:
        self.dice = random.Random(seed)
        self.prefix = f"s{seed}_"
        self.without = without
        self.tables: list[tuple[str, list[Column]]] = []
        self._number = 0

    def statements(self) -> Iterator[Statement]:
        """All of them, in order. Some the server refuses."""
        makers: list[tuple[str, Callable[[], Iterator[Statement]], int]] = [
            ("sequence", self._sequence, 1),
            ("table", self._table, self.dice.randint(3, 5)),
            ("versioned", self._versioned, 1),
            ("merge", self._merge, 1),
            ("period", self._period, 1),
            ("child", self._child, 1),
            ("view", self._view, 3),
            ("trigger", self._trigger, 3),
            ("routine", self._routine, 2),
            ("oracle", self._oracle, 1),
            ("event", self._event, 2),
        ]
        for name, make, count in makers:
            for _ in range(count):
                if name not in self.without:
                    yield from make()

    def _name(self, what: str) -> str:
        self._number += 1
        return f"{self.prefix}{what}{self._number} {self.dice.choice(ODD)}"[:60].rstrip()

    def _some(self) -> tuple[str, list[Column]]:
        return self.dice.choice(self.tables)

    # Tables

    def _engine(self) -> str:
        choices = [each for each in OTHERS if each not in self.without]
        return self.dice.choice(choices) if choices and self.dice.random() < 0.35 else "InnoDB"

    def _table(self) -> Iterator[Statement]:
        dice, engine, name = self.dice, self._engine(), self._name("table")
        flat = self.without if engine in ("InnoDB", "MyISAM", "Aria") else self.without | {"shape"}
        parts = self._parts(engine)
        flat = flat | {"shape"} if parts else flat
        columns = [column(dice, f"c{at} {dice.choice(ODD)}", flat) for at in range(dice.randint(2, 9))]
        lines = ["`id` INT NOT NULL" + dice.choice([" AUTO_INCREMENT PRIMARY KEY", "", " PRIMARY KEY"])]
        if engine in ("CSV", "ARCHIVE"):
            lines = ["`id` INT NOT NULL"]
        lines += [self._column_sql(each, engine) for each in columns]
        auto = "AUTO" in lines[0]
        lines += [] if auto else self._generated(columns, engine)
        lines += self._keys(columns, engine, auto=auto)
        if dice.random() < 0.3 and not auto:
            lines.append(f"CONSTRAINT `{self.prefix}check{self._number}` CHECK (`id` >= 0 and 'x' <> 'a')")
        yield Statement(f"CREATE TABLE {quote(name)} ({', '.join(lines)}) {self._options(engine)}{parts}")
        self.tables.append((name, columns))
        yield from self._rows(name, columns)

    def _column_sql(self, one: Column, engine: str) -> str:
        if engine == "CSV":
            return f"{quote(one.name)} {one.type.replace(' NULL', '')} NOT NULL"
        return one.sql

    def _generated(self, columns: list[Column], engine: str) -> list[str]:
        if engine != "InnoDB" or self.dice.random() < 0.6:
            return []
        how = self.dice.choice(["VIRTUAL", "PERSISTENT", "STORED INVISIBLE"])
        source = quote(self.dice.choice(columns).name)
        sums = (
            f"BIGINT AS (`id` * 2 + 1) {how}",
            f"VARCHAR(90) CHARACTER SET utf8mb4 AS (concat(`id`, _latin1'x', 'b')) {how}",
            f"INT AS (length({source})) {how}",
            f"VARCHAR(64) AS (if(`id` in (1,2,3), 'it''s', upper('b'))) {how}",
            f"TEXT AS (hex({source})) {how}",
        )
        return [f"`g made` {self.dice.choice(sums)}"]

    def _keys(self, columns: list[Column], engine: str, *, auto: bool) -> list[str]:
        lines: list[str] = []
        if engine in ("CSV", "ARCHIVE"):
            return lines
        keyed = [each for each in columns if each.keyed]
        for number in range(self.dice.randint(0, 3)):
            some = self.dice.sample(keyed, min(len(keyed), self.dice.randint(1, 2)))
            parts = [f"{quote(each.name)}{each.keyed}{self.dice.choice(['', '', ' DESC'])}" for each in some]
            kind = self.dice.choice(["KEY", "KEY", "INDEX"])
            end = self.dice.choice(["", "", " USING BTREE", " USING HASH", " IGNORED", f" COMMENT {self.dice.choice(COMMENTS)}"])
            if parts:
                lines.append(f"{kind} `k{number}` ({', '.join(parts)}){end}")
        chars = [each for each in columns if each.family == "chars" and each.keyed == "(20)"]
        chars = [each for each in chars if not any(wide in each.type for wide in ("ucs2", "utf16", "utf32"))]
        if chars and self.dice.random() < 0.2:
            lines.append(f"FULLTEXT KEY `words` ({quote(chars[0].name)})")
        long = [each for each in columns if each.family == "bytes" and each.keyed.strip()]
        if long and not auto and self.dice.random() < 0.1:
            lines.append(f"UNIQUE KEY `long` ({quote(long[0].name)}, `id`)")
        return lines

    def _options(self, engine: str) -> str:
        dice, said = self.dice, [f"ENGINE={engine}"]
        rows = {"InnoDB": ("DYNAMIC", "COMPACT", "REDUNDANT", "COMPRESSED"), "MyISAM": ("FIXED", "DYNAMIC"),
                "Aria": ("PAGE", "FIXED", "DYNAMIC")}  # fmt: skip
        if engine in rows and dice.random() < 0.4:
            said.append(f"ROW_FORMAT={dice.choice(rows[engine])}")
        elif engine == "InnoDB" and dice.random() < 0.1:
            said.append("PAGE_COMPRESSED=1")
        more = {"MyISAM": ("CHECKSUM=1", "PACK_KEYS=1", "DELAY_KEY_WRITE=1"), "Aria": ("TRANSACTIONAL=0", "CHECKSUM=1"),
                "InnoDB": ("STATS_PERSISTENT=0", "STATS_AUTO_RECALC=1", "KEY_BLOCK_SIZE=4")}  # fmt: skip
        if engine in more and dice.random() < 0.3:
            said.append(dice.choice(more[engine]))
        if dice.random() < 0.5:
            charset = dice.choice(list(CHARSETS))
            said.append(f"CHARSET={charset} COLLATE={dice.choice(CHARSETS[charset])}")
        if dice.random() < 0.2:
            said.append(f"COMMENT={dice.choice(COMMENTS)}")
        if dice.random() < 0.2:
            said.append(dice.choice(["MIN_ROWS=7", "MAX_ROWS=1000000", "AVG_ROW_LENGTH=100", "AUTO_INCREMENT=1000"]))
        return " ".join(said)

    def _parts(self, engine: str) -> str:
        if engine not in ("InnoDB", "MyISAM", "Aria") or self.dice.random() < 0.75:
            return ""
        return self.dice.choice([
            " PARTITION BY HASH (`id`) PARTITIONS 3", " PARTITION BY LINEAR HASH (`id` + 1) PARTITIONS 4",
            " PARTITION BY KEY (`id`) PARTITIONS 2", " PARTITION BY LINEAR KEY ALGORITHM=2 (`id`) PARTITIONS 2",
            " PARTITION BY RANGE (`id`) (PARTITION a VALUES LESS THAN (5), PARTITION `b é` VALUES LESS THAN MAXVALUE)",
            " PARTITION BY RANGE COLUMNS (`id`) (PARTITION a VALUES LESS THAN (3) COMMENT 'x', PARTITION b VALUES LESS"
            " THAN (MAXVALUE))",
            " PARTITION BY LIST (`id`) (PARTITION a VALUES IN (1, 2, 3), PARTITION b DEFAULT)",
            " PARTITION BY LIST COLUMNS (`id`) (PARTITION a VALUES IN (1, 2), PARTITION b DEFAULT)",
            " PARTITION BY RANGE (`id`) SUBPARTITION BY HASH (`id`) SUBPARTITIONS 2 (PARTITION a VALUES LESS THAN (4),"
            " PARTITION b VALUES LESS THAN MAXVALUE)",
        ])  # fmt: skip

    def _rows(self, name: str, columns: list[Column]) -> Iterator[Statement]:
        names = ", ".join(quote(each.name) for each in columns)
        for number in range(1, self.dice.randint(2, _ROWS)):
            values = [
                "NULL" if self.dice.random() < 0.15 else each.value(self.dice) for each in columns
            ]
            yield Statement(f"INSERT INTO {quote(name)} (`id`, {names}) VALUES ({number}, {', '.join(values)})")

    def _versioned(self) -> Iterator[Statement]:
        name, dice = self._name("kept"), self.dice
        columns = [column(dice, f"c{at}", self.without | {"shape"}) for at in range(dice.randint(1, 4))]
        skipped = f", `free` INT {dice.choice(['', 'WITHOUT SYSTEM VERSIONING'])}"
        parts = dice.choice([
            "", "", " PARTITION BY SYSTEM_TIME (PARTITION p HISTORY, PARTITION q CURRENT)",
            " PARTITION BY SYSTEM_TIME LIMIT 2 (PARTITION p HISTORY, PARTITION r HISTORY, PARTITION q CURRENT)",
            " PARTITION BY SYSTEM_TIME INTERVAL 1 MONTH STARTS '2020-01-01 00:00:00' PARTITIONS 3",
            " PARTITION BY SYSTEM_TIME INTERVAL 1 YEAR AUTO",
        ])  # fmt: skip
        own = dice.choice(["", ", `from` TIMESTAMP(6) GENERATED ALWAYS AS ROW START, `to` TIMESTAMP(6)"
                           " GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (`from`, `to`)"])  # fmt: skip
        body = ", ".join(each.sql for each in columns)
        yield Statement(f"CREATE TABLE {quote(name)} (`id` INT, {body}{skipped}{own}) WITH SYSTEM VERSIONING{parts}")
        self.tables.append((name, columns))
        yield from self._rows(name, columns)
        for number in (1, 2):
            one = dice.choice(columns)
            yield Statement(f"UPDATE {quote(name)} SET {quote(one.name)} = {one.value(dice)} WHERE `id` = {number}")
        yield Statement(f"DELETE FROM {quote(name)} WHERE `id` = 3")

    def _merge(self) -> Iterator[Statement]:
        parts = [self._name("part") for _ in range(2)]
        for name in parts:
            yield Statement(f"CREATE TABLE {quote(name)} (`id` INT, `t` TEXT) ENGINE=MyISAM")
            yield Statement(f"INSERT INTO {quote(name)} VALUES (1, 'a'), (2, {text('한')})")
        union = ", ".join(map(quote, parts))
        yield Statement(
            f"CREATE TABLE {quote(self._name('all'))} (`id` INT, `t` TEXT) ENGINE=MERGE UNION=({union}) INSERT_METHOD=LAST"
        )
        yield Statement(f"CREATE TABLE {quote(self._name('hole'))} (`id` INT) ENGINE=BLACKHOLE")

    def _period(self) -> Iterator[Statement]:
        name = self._name("period")
        yield Statement(
            f"CREATE TABLE {quote(name)} (`id` INT, `a` DATE, `b` DATE, PERIOD FOR `when` (`a`, `b`),"
            " UNIQUE (`id`, `when` WITHOUT OVERLAPS))"
        )
        yield Statement(f"INSERT INTO {quote(name)} VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01')")

    def _child(self) -> Iterator[Statement]:
        parent, child = f"{self.prefix}z_parent", f"{self.prefix}a_child"
        act = self.dice.choice(["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"])
        yield Statement(
            f"CREATE TABLE `{child}` (`id` INT PRIMARY KEY, `p` INT, CONSTRAINT `{self.prefix}f`"
            f" FOREIGN KEY (`p`) REFERENCES `{parent}` (`id`) ON DELETE {act} ON UPDATE {act})"
        )
        yield Statement(f"CREATE TABLE `{parent}` (`id` INT PRIMARY KEY, `self` INT REFERENCES `{parent}` (`id`))")
        yield Statement(f"INSERT INTO `{parent}` VALUES (1, NULL), (2, 1)")
        yield Statement(f"INSERT INTO `{child}` VALUES (1, 1), (2, 2), (3, NULL)")

    def _sequence(self) -> Iterator[Statement]:
        dice, name = self.dice, self._name("zsequence")
        end = dice.choice(["", "CYCLE", "NOCACHE", "CACHE 5 MINVALUE -10 MAXVALUE 1000"])
        by = dice.choice(["START WITH 3", "INCREMENT BY -2", "START WITH 3 INCREMENT BY 7"])
        yield Statement(f"CREATE SEQUENCE {quote(name)} {by} {end}")
        yield Statement(f"DO NEXTVAL({quote(name)})")
        if "nextval" not in self.without:
            table = self._name("numbered")
            yield Statement(f"CREATE TABLE {quote(table)} (`id` INT DEFAULT NEXTVAL({quote(name)}), `t` TEXT)")
            yield Statement(f"INSERT INTO {quote(table)} (`t`) VALUES ('a'), ('b')")

    # What has a text

    def _session(self) -> tuple[str, str, str]:
        charset = self.dice.choice(list(CLIENTS))
        return charset, self.dice.choice(MODES), WORDS[charset]

    def _safe(self, name: str) -> str:
        """The name, if every connection can say it."""
        return name if name.isascii() else f"{self.prefix}v{self._number}"

    def _view(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self._session()
        table, columns = self._some()
        if not table.isascii() and charset in ("latin1", "euckr"):
            charset, word = "utf8mb4", WORDS["utf8mb4"]
        name, one = self._safe(self._name("view")), quote(dice.choice(columns).name)
        if not one.isascii():
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

    def _trigger(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self._session()
        table, _columns = self._some()
        if not table.isascii():
            charset, word = "utf8mb4", WORDS["utf8mb4"]
        name = self._safe(self._name("trigger"))
        body = dice.choice([
            "SET @fuzz = NEW.`id`", f"SET @fuzz = '{word};;'", "BEGIN\r\n  -- one; ''two\r\n  SET @fuzz = 1;\r\nEND",
            f"BEGIN DECLARE x INT DEFAULT 1; /* {word} */ WHILE x < 3 DO SET x = x + 1; END WHILE; END",
        ])  # fmt: skip
        when = f"{dice.choice(['BEFORE', 'AFTER'])} {dice.choice(['INSERT', 'UPDATE'])}"
        yield Statement(f"CREATE TRIGGER {quote(name)} {when} ON {quote(table)} FOR EACH ROW {body}", charset, mode)
        order = dice.choice(["FOLLOWS", "PRECEDES"])
        yield Statement(
            f"CREATE TRIGGER {quote(name + '2')} {when} ON {quote(table)} FOR EACH ROW {order} {quote(name)} SET @b = 2"
        )

    def _routine(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self._session()
        name = quote(self._safe(self._name("routine")))
        end = dice.choice(["", "SQL SECURITY INVOKER ", "DETERMINISTIC NO SQL ", "COMMENT 'it''s; x' "])
        yield Statement(dice.choice([
            f"CREATE FUNCTION {name}(a INT, b VARCHAR(9)) RETURNS VARCHAR(50) {end}RETURN concat(a, '{word}', b)",
            f"CREATE PROCEDURE {name}(IN a INT, OUT b TEXT, INOUT c DECIMAL(9,2)) {end}BEGIN\n  SET b = '{word}';\nEND",
            f"CREATE AGGREGATE FUNCTION {name}(x INT) RETURNS INT {end}BEGIN DECLARE s INT DEFAULT 0; DECLARE CONTINUE"
            " HANDLER FOR NOT FOUND RETURN s; LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP; END",
            f"CREATE FUNCTION {name}() RETURNS ENUM('a','b') CHARACTER SET latin1 {end}RETURN 'a'",
        ]), charset, mode)  # fmt: skip

    def _oracle(self) -> Iterator[Statement]:
        name = quote(f"{self.prefix}package")
        yield Statement(f"CREATE PACKAGE {name} AS FUNCTION f RETURN INT; PROCEDURE p; END", mode="ORACLE")
        yield Statement(
            f"CREATE PACKAGE BODY {name} AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END;"
            " PROCEDURE p AS BEGIN SELECT 1; END; END",
            mode="ORACLE",
        )

    def _event(self) -> Iterator[Statement]:
        dice = self.dice
        charset, mode, word = self._session()
        name = quote(self._safe(self._name("event")))
        said = "x" if "comment" in self.without and not charset.startswith("utf8") else word
        when = dice.choice([
            "EVERY 1 DAY STARTS '2035-01-01 03:00:00'", "AT '2036-01-01 00:00:00'", "EVERY '1:30' HOUR_MINUTE STARTS"
            " '2035-05-05 00:00:00' ENDS '2037-01-01 00:00:00'",
        ])  # fmt: skip
        end = dice.choice(["", "ON COMPLETION PRESERVE", "DISABLE", "DISABLE ON SLAVE", f"COMMENT '{said}'"])
        yield Statement(f"CREATE EVENT {name} ON SCHEDULE {when} {end} DO SET @fuzz = '{word}'", charset, mode)
