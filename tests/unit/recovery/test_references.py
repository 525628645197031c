"""Which tables can be put back by themselves."""

from __future__ import annotations

import pytest

from filewallball.backup.inventory import Definition
from filewallball.errors import ConfigError
from filewallball.recovery import references
from filewallball.recovery.tables import check_views

DATABASE = "shop"
TABLES = ("files", "log", "users", "한글")


def row(kind: str, *names: str) -> list[str]:
    coded = [name.encode().hex() for name in names]
    return [kind, *coded, *[""] * (4 - len(coded))]


FOUND = references.read([
    row("DATABASE", DATABASE),
    row("VIEW", "seen"),
    row("REFERENCE", DATABASE, "log", DATABASE, "files"),
    row("REFERENCE", DATABASE, "log", DATABASE, "users"),
    row("REFERENCE", DATABASE, "한글", DATABASE, "한글"),
    row("REFERENCE", "other", "copies", DATABASE, "orders"),
])  # fmt: skip


def test_all_names_that_the_backup_lacks_are_told_at_once() -> None:
    references.check_names(["log", "한글"], TABLES, "backup")
    with pytest.raises(ConfigError, match="--tables: backup has no table fils, Log, nothing") as raised:
        references.check_names(["fils", "log", "Log", "nothing"], TABLES, "backup")
    assert raised.value.hint == "Did you mean files? Did you mean log? Tables: files, log, users, 한글."
    with pytest.raises(ConfigError, match="has no table x") as raised:
        references.check_names(["x"], (), "backup")
    assert raised.value.hint == "Tables: none."


@pytest.mark.parametrize("tables", [["한글"], ["files", "log", "users"], ["free"]])
def test_tables_that_are_tied_to_none_but_themselves(tables: list[str]) -> None:
    references.check(tables, DATABASE, FOUND, "in the backup")


@pytest.mark.parametrize(("tables", "told", "hint"), [
    (["log"], "in the backup .*: log refers to files, log refers to users", "--tables files,log,users"),
    (["files"], "log refers to files", "Name all of them: --tables files,log,users."),
    (["files", "users"], "log refers to files, log refers to users", "--tables files,log,users"),
    (["log", "files"], "not named: log refers to users", "--tables files,log,users"),
    (["orders"], "other.copies refers to orders", "another database can't be named. Give --into"),
    (["free", "seen"], "there is a view seen", "Drop it"),
])  # fmt: skip
def test_what_would_not_fit_the_rest_is_refused(tables: list[str], told: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        references.check(tables, DATABASE, FOUND, "in the backup")
    assert hint in raised.value.hint


def test_into_a_database_that_is_gone_is_refused() -> None:
    with pytest.raises(ConfigError, match="the database shop is gone") as raised:
        references.check(["files"], DATABASE, references.read([]), "in the database")
    assert "Leave out --tables" in raised.value.hint


def test_views_that_would_break_are_told() -> None:
    whole, broken = Definition("x", columns=(("id", "int"),)), Definition("x")
    before = {"view seen": whole, "view torn": broken, "view newer": whole, "trigger t": broken}
    check_views(before, {"view seen": Definition("x", columns=(("id", "text"),)), "view newer": whole})
    with pytest.raises(ConfigError, match="has them, view seen, view newer would no longer work") as raised:
        check_views(before, {"view seen": broken, "view torn": broken})
    assert "Drop what shows columns" in raised.value.hint
