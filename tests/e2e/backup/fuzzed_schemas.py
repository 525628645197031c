"""Schemas with everything that the server has, and data in them. By a seed: the same each time.

Many schemas share one database: the names of the one with seed N begin with `sN_`.
"""

# ruff: noqa: E501, S608 (statements read best in one line; names are made here)

from __future__ import annotations

from collections.abc import Callable, Iterator

from fuzzed_columns import CHARSETS, COMMENTS, Column, column, quote, text
from fuzzed_texts import ODD, Statement, Texts

OTHERS = ("MyISAM", "Aria", "MEMORY", "ARCHIVE", "CSV")
_ROWS = 12


class Schema(Texts):
    """One schema: tables of every engine, option, key and partition, and what has a text."""

    def statements(self) -> Iterator[Statement]:
        """All of them, in order. Some the server refuses."""
        makers: list[tuple[Callable[[], Iterator[Statement]], int]] = [
            (self._sequence, 1),
            (self._table, self.dice.randint(3, 5)),
            (self._versioned, 1),
            (self._merge, 1),
            (self._period, 1),
            (self._child, 1),
            (self.view, 3),
            (self.trigger, 3),
            (self.routine, 2),
            (self.oracle, 1),
            (self.event, 2),
        ]
        for make, count in makers:
            for _ in range(count):
                yield from make()

    # Tables

    def _engine(self) -> str:
        return self.dice.choice(OTHERS) if self.dice.random() < 0.35 else "InnoDB"

    def _table(self) -> Iterator[Statement]:
        dice, engine, name = self.dice, self._engine(), self.name("table")
        parts = self._parts(engine)
        shapely = engine in ("InnoDB", "MyISAM", "Aria") and not parts
        flat: frozenset[str] = frozenset() if shapely else frozenset(("shape",))
        columns = [column(dice, f"c{at} {dice.choice(ODD)}", flat) for at in range(dice.randint(2, 9))]
        lines = ["`id` INT NOT NULL" + dice.choice([" AUTO_INCREMENT PRIMARY KEY", "", " PRIMARY KEY"])]
        if engine in ("CSV", "ARCHIVE"):
            lines = ["`id` INT NOT NULL"]
        lines += [self._column_sql(each, engine) for each in columns]
        auto = "AUTO" in lines[0]
        lines += [] if auto else self._generated(columns, engine)
        lines += self._keys(columns, engine, auto=auto)
        if dice.random() < 0.3 and not auto:
            lines.append(f"CONSTRAINT `{self.prefix}check{self.number}` CHECK (`id` >= 0 and 'x' <> 'a')")
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
            end = self.dice.choice(
                ["", "", " USING BTREE", " USING HASH", " IGNORED", f" COMMENT {self.dice.choice(COMMENTS)}"]
            )
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
            said.append(
                dice.choice(["MIN_ROWS=7", "MAX_ROWS=1000000", "AVG_ROW_LENGTH=100", "AUTO_INCREMENT=1000"])
            )
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
            values = ["NULL" if self.dice.random() < 0.15 else each.value(self.dice) for each in columns]
            yield Statement(
                f"INSERT INTO {quote(name)} (`id`, {names}) VALUES ({number}, {', '.join(values)})"
            )

    def _versioned(self) -> Iterator[Statement]:
        name, dice = self.name("kept"), self.dice
        columns = [column(dice, f"c{at}", frozenset(("shape",))) for at in range(dice.randint(1, 4))]
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
        yield Statement(
            f"CREATE TABLE {quote(name)} (`id` INT, {body}{skipped}{own}) WITH SYSTEM VERSIONING{parts}"
        )
        self.tables.append((name, columns))
        yield from self._rows(name, columns)
        for number in (1, 2):
            one = dice.choice(columns)
            yield Statement(
                f"UPDATE {quote(name)} SET {quote(one.name)} = {one.value(dice)} WHERE `id` = {number}"
            )
        yield Statement(f"DELETE FROM {quote(name)} WHERE `id` = 3")

    def _merge(self) -> Iterator[Statement]:
        parts = [self.name("part") for _ in range(2)]
        for name in parts:
            yield Statement(f"CREATE TABLE {quote(name)} (`id` INT, `t` TEXT) ENGINE=MyISAM")
            yield Statement(f"INSERT INTO {quote(name)} VALUES (1, 'a'), (2, {text('한')})")
        union = ", ".join(map(quote, parts))
        yield Statement(
            f"CREATE TABLE {quote(self.name('all'))} (`id` INT, `t` TEXT) ENGINE=MERGE UNION=({union}) INSERT_METHOD=LAST"
        )
        yield Statement(f"CREATE TABLE {quote(self.name('hole'))} (`id` INT) ENGINE=BLACKHOLE")

    def _period(self) -> Iterator[Statement]:
        name = self.name("period")
        yield Statement(
            f"CREATE TABLE {quote(name)} (`id` INT, `a` DATE, `b` DATE, PERIOD FOR `when` (`a`, `b`),"
            " UNIQUE (`id`, `when` WITHOUT OVERLAPS))"
        )
        yield Statement(
            f"INSERT INTO {quote(name)} VALUES (1, '2020-01-01', '2021-01-01'), (1, '2021-01-01', '2022-01-01')"
        )

    def _child(self) -> Iterator[Statement]:
        parent, child = f"{self.prefix}z_parent", f"{self.prefix}a_child"
        act = self.dice.choice(["CASCADE", "SET NULL", "RESTRICT", "NO ACTION"])
        yield Statement(
            f"CREATE TABLE `{child}` (`id` INT PRIMARY KEY, `p` INT, CONSTRAINT `{self.prefix}f`"
            f" FOREIGN KEY (`p`) REFERENCES `{parent}` (`id`) ON DELETE {act} ON UPDATE {act})"
        )
        yield Statement(
            f"CREATE TABLE `{parent}` (`id` INT PRIMARY KEY, `self` INT REFERENCES `{parent}` (`id`))"
        )
        yield Statement(f"INSERT INTO `{parent}` VALUES (1, NULL), (2, 1)")
        yield Statement(f"INSERT INTO `{child}` VALUES (1, 1), (2, 2), (3, NULL)")

    def _sequence(self) -> Iterator[Statement]:
        dice, name = self.dice, self.name("zsequence")
        end = dice.choice(["", "CYCLE", "NOCACHE", "CACHE 5 MINVALUE -10 MAXVALUE 1000"])
        by = dice.choice(["START WITH 3", "INCREMENT BY -2", "START WITH 3 INCREMENT BY 7"])
        yield Statement(f"CREATE SEQUENCE {quote(name)} {by} {end}")
        yield Statement(f"DO NEXTVAL({quote(name)})")
        table = self.name("numbered")
        yield Statement(f"CREATE TABLE {quote(table)} (`id` INT DEFAULT NEXTVAL({quote(name)}), `t` TEXT)")
        yield Statement(f"INSERT INTO {quote(table)} (`t`) VALUES ('a'), ('b')")
