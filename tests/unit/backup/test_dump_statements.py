"""The statements of a dump: what is cut out of definitions, their order, and bytes as literals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.backup import literals
from filewallball.backup.definitions import foreign_keys, in_order, without_foreign_keys

CHILD = (
    b"CREATE TABLE `child` (\n  `id` int(11) NOT NULL COMMENT ',\\n  CONSTRAINT `x` FOREIGN KEY ',\n"
    b"  `parent` int(11),\n  KEY `one` (`parent`),\n"
    b"  CONSTRAINT `to ``a` FOREIGN KEY (`parent`) REFERENCES `a` (`id`) ON DELETE CASCADE,\n"
    b"  CONSTRAINT `checked` CHECK (`id` > 1),\n"
    b"  CONSTRAINT `two` FOREIGN KEY (`parent`) REFERENCES `b` (`id`)\n) ENGINE=InnoDB"
)


def test_foreign_keys_are_added_later() -> None:
    assert foreign_keys("child", CHILD) == [
        (
            "to ``a",
            b"ALTER TABLE `child` ADD CONSTRAINT `to ``a` FOREIGN KEY (`parent`) REFERENCES `a` (`id`)"
            b" ON DELETE CASCADE",
        ),
        ("two", b"ALTER TABLE `child` ADD CONSTRAINT `two` FOREIGN KEY (`parent`) REFERENCES `b` (`id`)"),
    ]
    assert without_foreign_keys(CHILD) == (
        b"CREATE TABLE `child` (\n  `id` int(11) NOT NULL COMMENT ',\\n  CONSTRAINT `x` FOREIGN KEY ',\n"
        b"  `parent` int(11),\n  KEY `one` (`parent`),\n"
        b"  CONSTRAINT `checked` CHECK (`id` > 1)\n) ENGINE=InnoDB"
    )


@pytest.mark.parametrize(
    ("views", "order"),
    [
        ({"a": "select from `t`", "b": "select from `t`"}, ["a", "b"]),
        ({"a": "from `d`.`b`", "b": "from `c`", "c": "from `t`"}, ["c", "b", "a"]),
        # a name within another view's literal makes a circle, which no view can have
        ({"a": "from `b`", "b": "select '`a`'"}, ["b", "a"]),
        ({"a`b": "from `t`", "a": "from `a``b`"}, ["a`b", "a"]),
    ],
)
def test_views_come_after_what_they_show(views: dict[str, str], order: list[str]) -> None:
    assert in_order(views) == order


def unescape(literal: bytes) -> bytes:
    """What the server makes of a string."""
    assert literal[:1] == literal[-1:] == b"'"
    found, rest = bytearray(), literal[1:-1]
    special = {ord("0"): 0, ord("n"): 10, ord("r"): 13, ord("Z"): 26}
    while rest:
        assert rest[:1] != b"'" or rest[:2] == b"''"
        if rest[:1] == b"\\":
            found.append(special.get(rest[1], rest[1]))
        else:
            found.append(rest[0])
        rest = rest[2:] if rest[:1] in (b"\\", b"'") else rest[1:]
    return bytes(found)


@given(st.binary(max_size=200) | st.text(alphabet="'\\\0\r\n\x1an0 ").map(str.encode))
def test_literals_keep_every_byte(value: bytes) -> None:
    assert unescape(literals.text(value)) == value
    assert b"\n" not in literals.text(value)
    assert unescape(literals.statement(value).removeprefix(b"_binary")) == value
    assert literals.hexadecimal(value) == b"X'" + value.hex().encode() + b"'"
