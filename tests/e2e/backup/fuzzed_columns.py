"""Columns of every type that the server has, with values at their ends. By a seed: the same each time."""

# ruff: noqa: E501 (statements read best in one line; names are made here)

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Dice = random.Random

CHARSETS = {
    "utf8mb4": (
        "utf8mb4_unicode_ci",
        "utf8mb4_bin",
        "utf8mb4_general_ci",
        "utf8mb4_uca1400_ai_ci",
        "utf8mb4_nopad_bin",
    ),
    "utf8mb3": ("utf8mb3_general_ci", "utf8mb3_bin", "utf8mb3_unicode_ci"),
    "latin1": ("latin1_swedish_ci", "latin1_bin", "latin1_german2_ci"),
    "ascii": ("ascii_general_ci", "ascii_bin"),
    "latin2": ("latin2_general_ci", "latin2_czech_cs"),
    "euckr": ("euckr_korean_ci", "euckr_bin"),
    "sjis": ("sjis_japanese_ci",),
    "ujis": ("ujis_japanese_ci",),
    "big5": ("big5_chinese_ci",),
    "gbk": ("gbk_chinese_ci",),
    "cp1251": ("cp1251_general_ci", "cp1251_bin"),
    "koi8r": ("koi8r_general_ci",),
    "greek": ("greek_general_ci",),
    "tis620": ("tis620_thai_ci",),
    "ucs2": ("ucs2_general_ci", "ucs2_bin"),
    "utf16": ("utf16_general_ci", "utf16_bin"),
    "utf32": ("utf32_general_ci",),
}
"""Character sets with some of their collations."""
SAMPLES = {
    "utf8mb4": ("한글 🧱", "é'\"\\%_", "\u200b\u0000\n\r\u001a", "ß", "👩‍👩‍👧", "a" * 60),
    "utf8mb3": ("한글", "é\\", "ſ", "中"),
    "latin1": ("é€", "\\'", "ÿ", "ß"),
    "ascii": ("plain", "\\n'", "\x00\x1a"),
    "latin2": ("ąęł", "č"),
    "euckr": ("한글", "가나다", "中"),
    "sjis": ("テスト", "ソ表", "ｱ"),
    "ujis": ("テスト", "漢字"),
    "big5": ("中文", "功許"),
    "gbk": ("中文", "運"),
    "cp1251": ("Привет", "ё"),
    "koi8r": ("Привет",),
    "greek": ("αβγ",),
    "tis620": ("ภาษา",),
    "ucs2": ("한글", "a"),
    "utf16": ("🧱x", "한"),
    "utf32": ("🧱", "z"),
}
"""Text that each of them has: with bytes that mean something to SQL, such as a backslash within a character."""


@dataclass(frozen=True)
class Column:
    """One column. `value` makes an SQL literal; `text`: it is character data; `family` says how it is damaged."""

    name: str
    type: str
    value: Callable[[Dice], str]
    family: str
    generated: bool = False
    options: str = ""
    keyed: str = ""
    """How it is written in a key, if it can be a part of one."""

    @property
    def sql(self) -> str:
        return f"{quote(self.name)} {self.type} {self.options}".rstrip()


def quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A literal that no session's mode or character set changes."""
    return f"_utf8mb4 X'{value.encode().hex()}'" if value else "''"


def raw(value: bytes) -> str:
    return f"X'{value.hex()}'" if value else "''"


def one_of(*literals: str) -> Callable[[Dice], str]:
    return lambda dice: dice.choice(literals)


def integer(bits: int, *, unsigned: bool) -> Callable[[Dice], str]:
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return lambda dice: str(dice.choice([low, high, 0, 1, dice.randint(low, high)]))


def _integer(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    name, bits = dice.choice(
        [("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)]
    )
    unsigned = dice.random() < 0.4
    shape = dice.choice(["", f"({dice.randint(1, 20)})"])
    return f"{name}{shape}{' UNSIGNED' * unsigned}{dice.choice(['', ' ZEROFILL']) * unsigned}", integer(
        bits, unsigned=unsigned
    )


def _decimal(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    scale = dice.randint(0, 20)
    digits = dice.randint(max(scale, 1), 60)

    def value(dice: Dice) -> str:
        number = str(dice.randint(0, 10**digits - 1)).zfill(scale + 1)
        return dice.choice(["", "-"]) + (f"{number[:-scale]}.{number[-scale:]}" if scale else number)

    return f"DECIMAL({digits},{scale})", value


def _double(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    ends = (
        "0.1",
        "-0e0",
        "5e-324",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "123456789.123456789",
    )
    return dice.choice(["DOUBLE", "DOUBLE", "DOUBLE UNSIGNED", "DOUBLE(20,5)"]), lambda dice: dice.choice(
        [*ends, repr(dice.uniform(-1e9, 1e9)), repr(dice.random() * 10 ** dice.randint(-300, 300))]
    )


def _float(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    ends = ("0.1", "-0e0", "1e-45", "1.17549435e-38", "3.402823466e38", "16777217", "1.2345678")
    return dice.choice(
        ["FLOAT", "FLOAT", "FLOAT UNSIGNED", "FLOAT(10,3)", "FLOAT(53)"]
    ), lambda dice: dice.choice([*ends, repr(dice.uniform(-1e6, 1e6))])


def _bit(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    bits = dice.choice([1, 7, 8, 9, 33, 64])
    return f"BIT({bits})", lambda dice: f"b'{dice.getrandbits(bits):b}'"


def _time(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    digits = dice.choice(["", "(1)", "(3)", "(6)"])
    kinds = {
        "DATE": one_of("'9999-12-31'", "'0000-00-00'", "'2024-02-29'", "'2020-00-00'", "'1000-01-01'"),
        f"DATETIME{digits}": one_of(
            "'2024-02-29 23:59:59.999999'", "'0000-00-00'", "'9999-12-31 23:59:59'", "'1-1-1 1:1:1.5'"
        ),
        f"TIMESTAMP{digits} NULL": one_of(
            "'2038-01-19 03:14:07'", "'1970-01-01 00:00:01.25'", "'2024-03-31 02:30:00.123456'", "0"
        ),
        f"TIME{digits}": one_of("'-838:59:59'", "'838:59:59.999999'", "'-00:00:00.5'", "'12:00'"),
        "YEAR": one_of("1901", "2155", "0", "2024"),
    }
    kind = dice.choice(list(kinds))
    return kind, kinds[kind]


def _chars(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    charset = dice.choice(list(CHARSETS))
    kind = dice.choice(
        ["CHAR(70)", "VARCHAR(70)", "VARCHAR(300)", "TINYTEXT", "TEXT", "MEDIUMTEXT", "LONGTEXT", "TEXT COMPRESSED",
         "VARCHAR(500) COMPRESSED"]
    )  # fmt: skip
    kind, _, squeezed = kind.partition(" ")
    collation = dice.choice(["", f" COLLATE {dice.choice(CHARSETS[charset])}"])
    samples = SAMPLES[charset]

    def value(dice: Dice) -> str:
        return text(
            dice.choice([*samples, "", " ", "a ", "a" * dice.randint(1, 60), dice.choice(samples) * 2])
        )

    return f"{kind}{' ' * bool(squeezed)}{squeezed} CHARACTER SET {charset}{collation}", value


def _bytes(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    kind = dice.choice(
        ["BINARY(20)", "VARBINARY(200)", "TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BLOB COMPRESSED"]
    )
    return kind, lambda dice: raw(
        dice.choice([b"", b"\x00", bytes(range(20)), dice.randbytes(19), b"\\'\x1a\n "])
    )


def _choice(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    words = ["''", "'a'", "'예'", "'it''s'", "'x y'", r"'\\'", "'é'", "'`'"]
    dice.shuffle(words)
    some = words[: dice.randint(1, 8)]
    kind = dice.choice(["ENUM", "SET"])
    charset = dice.choice(["", "", " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"])
    return f"{kind}({','.join(some)}){charset}", one_of(*some, "1")


def _other(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    kinds = {
        "JSON": one_of('\'{"키": [1, null, "\\\\n"]}\'', "'[]'", "'1e400'", "'\"\\\\u0000\"'", "'null'"),
        "INET6": one_of("'::'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'", "'ffff::'"),
        "INET4": one_of("'0.0.0.0'", "'255.255.255.255'", "'10.1.2.3'"),
        "UUID": one_of("'123e4567-e89b-12d3-a456-426655440000'", "'00000000-0000-0000-0000-000000000000'"),
        "BOOLEAN": one_of("TRUE", "FALSE", "-128"),
    }
    kind = dice.choice(list(kinds))
    return kind, kinds[kind]


SHAPES = {
    "POINT": ("POINT(1.5 -2)", "POINT(1e308 -0)"),
    "LINESTRING": ("LINESTRING(0 0,1 1,2 0)",),
    "POLYGON": ("POLYGON((0 0,4 0,4 4,0 4,0 0),(1 1,2 1,2 2,1 1))",),
    "MULTIPOINT": ("MULTIPOINT(0 0,1 1)",),
    "MULTILINESTRING": ("MULTILINESTRING((0 0,1 1),(2 2,3 3))",),
    "MULTIPOLYGON": ("MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",),
    "GEOMETRYCOLLECTION": ("GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))", "GEOMETRYCOLLECTION EMPTY"),
    "GEOMETRY": ("POINT(0 0)", "LINESTRING(0 0,1 1)"),
}


def _shape(dice: Dice) -> tuple[str, Callable[[Dice], str]]:
    kind = dice.choice(list(SHAPES))
    srid = dice.choice([0, 4326, 101])
    reference = dice.choice(["", f" REF_SYSTEM_ID={srid}"])
    return kind + reference, lambda dice: f"ST_GeomFromText('{dice.choice(SHAPES[kind])}', {srid})"


FAMILIES: dict[str, tuple[Callable[[Dice], tuple[str, Callable[[Dice], str]]], int]] = {
    "integer": (_integer, 4),
    "decimal": (_decimal, 2),
    "double": (_double, 2),
    "float": (_float, 2),
    "bit": (_bit, 1),
    "time": (_time, 3),
    "chars": (_chars, 6),
    "bytes": (_bytes, 2),
    "choice": (_choice, 2),
    "other": (_other, 2),
    "shape": (_shape, 1),
}
"""How columns of each family are made, and how often."""


def column(dice: Dice, name: str, without: frozenset[str] = frozenset()) -> Column:
    """A column of any type but the families of `without`."""
    names = [family for family in FAMILIES if family not in without]
    family = dice.choices(names, [FAMILIES[each][1] for each in names])[0]
    kind, value = FAMILIES[family][0](dice)
    options = _options(dice, kind, family)
    return Column(name, kind, value, family, options=options, keyed=_keyed(kind, family))


def _options(dice: Dice, kind: str, family: str) -> str:
    said: list[str] = []
    if dice.random() < 0.15 and family not in ("chars", "bytes", "shape", "other", "choice"):
        time = "DEFAULT 2001" if kind == "YEAR" else "DEFAULT '2001-01-01 01:01:01'"
        said.append({"time": time, "bit": "DEFAULT b'1'"}.get(family, "DEFAULT 1"))
    elif dice.random() < 0.2 and family == "chars":
        plain = (
            r"DEFAULT 'it''s \\ 100%'",
            "DEFAULT ''",
            "DEFAULT (uuid())",
            "DEFAULT (concat(_latin1'a','b'))",
        )
        wide = ("DEFAULT (concat(_latin1'a',_utf8mb3'é'))", "DEFAULT (_euckr 0xb0a1)")
        said.append(dice.choice([*plain, *(wide if "utf" in kind else ())]))
    if kind.startswith(("DATETIME", "TIMESTAMP")) and dice.random() < 0.2:
        said = ["DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"]
    if dice.random() < 0.1:
        said.append("INVISIBLE")
    if dice.random() < 0.15:
        said.append(f"COMMENT {dice.choice(COMMENTS)}")
    return " ".join(said)


COMMENTS = ("'설명 ''x'''", r"'back \\ slash'", "'/*! 40000 DROP TABLE x */'", "'-- no\n;'", "'🧱'")


def _keyed(kind: str, family: str) -> str:
    if family == "shape" or "COMPRESSED" in kind:
        return ""
    if family == "chars" and not kind.startswith("CHAR"):
        return "(20)"
    if family == "bytes" and not kind.startswith("BINARY"):
        return "(15)"
    return "" if kind == "JSON" else " "
