"""What counts as lost, what as different, and what as the same though its text differs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from filewallball.backup.comparison import Again, compare, never
from filewallball.backup.inventory import Definition, Inventory
from filewallball.backup.manifest import Table

TABLE = Table(2, 99, "d1")
SESSION = (("character_set_client", "utf8mb4"),)
VIEW = Definition(
    "CREATE VIEW `v` AS select _utf8mb3' ' AS `a`", SESSION, (("a", "varchar(1)", "utf8", "NO"),)
)
ANEW = replace(VIEW, text="CREATE VIEW `v` AS select _utf8mb4' ' AS `a`")
OTHER = replace(VIEW, text="CREATE VIEW `v` AS select 'x' AS `a`")
TRIGGER = Definition("CREATE TRIGGER t …", SESSION)
WHOLE = Inventory(
    {"a": TABLE, "b": TABLE},
    {"view": {"v": VIEW.sha256}, "trigger": {"t": TRIGGER.sha256}, "routine": {"function f": "h3"}},
    {"view v": VIEW, "trigger t": TRIGGER},
)


def tables(**changed: Table) -> Inventory:
    return replace(WHOLE, tables={**WHOLE.tables, **changed})


def with_view(found: Definition) -> Inventory:
    objects = {**WHOLE.objects, "view": {"v": found.sha256}}
    return replace(WHOLE, objects=objects, made={**WHOLE.made, "view v": found})


def without(kind: str) -> Inventory:
    return replace(WHOLE, objects={each: names for each, names in WHOLE.objects.items() if each != kind})


def test_the_same() -> None:
    assert compare(WHOLE, WHOLE).lines == []


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (replace(WHOLE, tables={"a": TABLE}), "table b is missing in the restored copy"),
        (tables(c=TABLE), "table c is new in the restored copy"),
        (tables(a=replace(TABLE, rows=1)), "table a: 1 rows restored, 2 in the snapshot"),
        (tables(a=replace(TABLE, rows=3)), "table a: 3 rows restored, 2 in the snapshot"),
    ],
)
def test_lost_rows(found: Inventory, line: str) -> None:
    compared = compare(WHOLE, found)
    assert (compared.lost, compared.differing) == ((line,), ())
    # Nobody gets around that by having told of the table.
    rows = compare(WHOLE, found, told=["table a: something else."]).lost
    assert bool(rows) == bool(compared.lost)


@pytest.mark.parametrize(
    ("found", "begins", "mends"),
    [
        (tables(a=replace(TABLE, checksum=5)), "table a: the checksum of its 2 rows differs",
         "`ALTER TABLE `a` CONVERT TO CHARACTER SET utf8mb4;`"),
        (tables(a=replace(TABLE, definition="d2")), "table a: its definition differs",
         "`ALTER TABLE `a` FORCE;`"),
        (with_view(OTHER), "view v: its definition differs (", "`SHOW CREATE VIEW `v`;`"),
        (without("trigger"), "trigger t is missing in the restored copy", "`DROP TRIGGER `t`;`"),
        (without("routine"), "function f is missing in the restored copy", "`SHOW CREATE FUNCTION `f`;`"),
        (replace(WHOLE, objects={**WHOLE.objects, "event": {"e": "h"}}),
         "event e is new in the restored copy", "Run the backup again"),
    ],
)  # fmt: skip
def test_each_difference_names_the_statement_that_mends_it(found: Inventory, begins: str, mends: str) -> None:
    compared = compare(WHOLE, found)
    assert compared.lost == ()
    [line] = compared.differing
    assert line.startswith(begins)
    assert mends in line
    assert line.endswith((".", "`."))


def test_everything_is_named_at_once() -> None:
    found = replace(tables(a=replace(TABLE, checksum=5), b=replace(TABLE, rows=1)), objects={})
    compared = compare(WHOLE, found)
    assert (len(compared.lost), len(compared.differing), len(compared.lines)) == (1, 4, 5)


def test_where_two_texts_part() -> None:
    [line] = compare(WHOLE, with_view(OTHER)).differing
    assert "_utf8mb3' ' AS `a`` became `" in line
    [line] = compare(WHOLE, with_view(replace(VIEW, session=(("character_set_client", "latin1"),)))).differing
    assert "(`character_set_client=utf8mb4` became `character_set_client=latin1`)" in line


def makes(found: Definition | None) -> Again:
    return lambda _kind, _name, _made: found


def test_what_the_server_writes_anew_is_the_same() -> None:
    assert compare(WHOLE, with_view(ANEW), makes(ANEW)).lines == []


@pytest.mark.parametrize(
    ("found", "again"),
    [
        (ANEW, never),
        (ANEW, makes(OTHER)),
        (ANEW, makes(None)),
        (replace(ANEW, columns=(("a", "varchar(1)", "latin1", "NO"),)), makes(ANEW)),
        (replace(ANEW, session=(("character_set_client", "latin1"),)), makes(ANEW)),
    ],
)
def test_it_must_be_exactly_what_the_server_makes_of_it(found: Definition, again: Again) -> None:
    assert len(compare(WHOLE, with_view(found), again).differing) == 1


def test_a_trigger_is_kept_as_it_was_typed() -> None:
    other = replace(TRIGGER, text="CREATE TRIGGER t … ")
    found = replace(
        WHOLE,
        objects={**WHOLE.objects, "trigger": {"t": other.sha256}},
        made={**WHOLE.made, "trigger t": other},
    )
    assert len(compare(WHOLE, found, makes(other)).differing) == 1


@pytest.mark.parametrize("line", ["view v is left out. Drop it.", "view v: it uses what is gone."])
def test_what_was_told_is_not_told_twice(line: str) -> None:
    assert compare(WHOLE, without("view"), told=[line]).lines == []
    assert len(compare(WHOLE, without("view"), told=[line.replace(" v", " v2")]).lines) == 1


def test_a_name_that_begins_with_another_is_another() -> None:
    """Or what is told of one table would hide what differs in the other."""
    names = ("a", "a b", "a is", "a: b")
    whole = Inventory(dict.fromkeys(names, TABLE), {})
    for told in names:
        found = replace(whole, tables=dict.fromkeys(names, replace(TABLE, definition="d2")))
        lines = compare(whole, found, told=[f"table {told}: no engine."]).differing
        assert [line.partition(": its")[0] for line in lines] == [
            f"table {each}" for each in names if each != told
        ]


def test_rows_are_compared_though_something_else_is_told() -> None:
    compared = compare(
        WHOLE, tables(a=replace(TABLE, checksum=5)), told=["table a: its foreign key is gone."]
    )
    assert len(compared.differing) == 1


def test_an_engine_that_is_replaced_is_not_the_same() -> None:
    """The server replaces it in what it is asked to make once more, too."""
    text = "CREATE TABLE `a` (\n  `id` int(11)\n) ENGINE={} DEFAULT CHARSET=utf8mb4"
    want, have = (Definition(text.format(engine)) for engine in ("ARCHIVE", "InnoDB"))
    before, after = (
        replace(tables(a=replace(TABLE, definition=each.sha256)), made={"table a": each})
        for each in (want, have)
    )
    [line] = compare(before, after, makes(have)).differing
    assert line.startswith("table a: the throw-away server lacks its engine ARCHIVE")
    assert line.endswith("Run `ALTER TABLE `a` ENGINE=InnoDB;`.")


def test_a_table_that_cannot_be_read_in_the_copy_is_lost() -> None:
    found = replace(WHOLE, tables={"a": TABLE}, unreadable={"b": "marked as crashed"})
    assert compare(WHOLE, found).lost == (
        "table b is missing in the restored copy: it cannot be read (marked as crashed)",
    )
