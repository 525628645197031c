"""Which statements of a log belong to a database, whoever gave them from wherever."""

from __future__ import annotations

import pytest

from filewallball.binlogs.events import Gtid
from filewallball.binlogs.groups import Group, concerns, foreign


def group(where: str, text: str) -> Group:
    return Group(Gtid(0, 1, 1, alone=True), 0, statements=[(where, text.encode())])


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("files", "CREATE TABLE a (n INT)"),
        ("", "CREATE DATABASE files"),
        ("other", "CREATE TABLE files.a (n INT)"),
        ("other", "create table `files`.`a` (n int)"),
        ("other", "DROP TABLE other.b, FILES.a"),
        ("files", "/* GRANT */ ALTER TABLE a ADD b INT"),
        ("files", "/*!100000 CREATE */ TABLE a (n INT)"),
    ],
)
def test_these_are_replayed(where: str, text: str) -> None:
    assert concerns(group(where, text), "files")


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("other", "CREATE TABLE a (n INT)"),
        ("other", "CREATE TABLE myfiles.a (n INT)"),
        ("other", "CREATE TABLE files2.a (n INT)"),
        ("files", "GRANT SELECT ON files.* TO someone"),
        ("files", "  CREATE USER someone"),
        ("files", "CREATE OR REPLACE ROLE someone"),
        ("files", "/* by hand */ DROP USER someone"),
        ("files", "-- by hand\nSET PASSWORD FOR someone = ''"),
        ("files", "FLUSH TABLES"),
    ],
)
def test_these_are_not(where: str, text: str) -> None:
    assert not concerns(group(where, text), "files")


def test_where_a_statement_was_given() -> None:
    assert foreign(group("other", "CREATE TABLE files.a (n INT)"), "files") == {"other"}
    assert foreign(group("files", "CREATE TABLE a (n INT)"), "files") == set()
