"""Whatever a server can hold is backed up and verified; and no copy that differs passes as verified."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing
from typing import Any

import pymysql
import pytest
from fuzzed_damage import damage
from fuzzed_schemas import Schema, Statement

from filewallball.backup import comparison, restore
from filewallball.backup import job as backup_job
from filewallball.backup.comparison import Compared
from filewallball.backup.inventory import Inventory

BATCH = 50
"""Schemas in one database: a backup of each by itself would take most of its time to start servers."""
REFUSED = 0.35
"""The share of the statements that a server may refuse, or the schemas would say little."""
REFUSED_ANEW = "evaluating stored expression"
"""A server takes a default with text of two character sets, shows it otherwise, and refuses what it shows."""


def make(job: Any, seeds: range) -> Counter[str]:
    """Make the schemas; how many statements the server took and refused, and by which error."""
    count: Counter[str] = Counter()
    with closing(job.server.connect(job.database)) as connection:
        for seed in seeds:
            for statement in Schema(seed).statements():
                try:
                    connection.query(statement.session())
                    connection.query(statement.encoded())
                    count["taken"] += 1
                except pymysql.MySQLError as error:
                    count["refused"] += 1
                    count[f"{error.args[0]} {str(error.args[1])[:60]}"] += 1
    return count


def quiet(_table: str, _number: int, _of: int) -> None:
    """Progress that nobody hears."""


class Spy:
    """Stands in for the comparison: after the real one, it damages the copy and compares once more."""

    def __init__(self, seed: int, database: str) -> None:
        self.dice = random.Random(seed)
        self.database = database
        self.copy: Any = None
        self.done: dict[str, str] = {}
        self.unseen: list[str] = []

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        take, compare = restore.Throwaway.inventory, comparison.compare

        def inventory(copy: Any, database: str, step: Any) -> Inventory:
            self.copy = copy
            return take(copy, database, step)

        def compared(expected: Inventory, found: Inventory, again: Any, told: Any) -> Compared:
            result = compare(expected, found, again, told)
            with closing(self.copy.connect()) as connection:
                self.done = damage(connection.cursor(), self.database, found, self.dice)
            broken = take(self.copy, self.database, quiet)
            lines = [*told, *compare(expected, broken, again, told).lines]
            self.unseen = [
                f"{what}: {did}"
                for what, did in self.done.items()
                if not any(line.startswith((f"{what}:", f"{what} ")) for line in lines)
            ]
            return result

        patch.setattr(restore.Throwaway, "inventory", inventory)
        patch.setattr(comparison, "compare", compared)


def fuzz(job: Any, seeds: range, patch: pytest.MonkeyPatch) -> None:
    count = make(job, seeds)
    said = f"{count.most_common(12)}"
    assert count["refused"] < REFUSED * (count["taken"] + count["refused"]), said
    spy = Spy(seeds.start, job.database)
    spy.watch(patch)
    manifest = backup_job.run(job.settings(), backup_job.Log(lambda _: None), job.store())
    unknown = [line for line in manifest.differences if REFUSED_ANEW not in line]
    assert unknown == [], "\n".join(unknown)
    assert manifest.verified == (not manifest.differences)
    assert len(spy.done) > len(seeds) * 10, spy.done
    assert spy.unseen == []


def test_a_dozen_schemas(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz(job, range(12), monkeypatch)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(12, 512, BATCH))
def test_five_hundred_schemas(job: Any, monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    fuzz(job, range(first, first + BATCH), monkeypatch)


def test_the_same_seed_makes_the_same_schema() -> None:
    def texts(seed: int) -> list[Statement]:
        return list(Schema(seed).statements())

    assert texts(7) == texts(7)
    assert texts(7) != texts(8)
