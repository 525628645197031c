"""What can't be replayed as it was is refused, and the message says why."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from log_lab import DATABASE
from past import BEGAN, Then

from filewallball.binlogs import catalogue
from filewallball.binlogs import replay as replaying
from filewallball.binlogs.target import Target
from filewallball.errors import UserError


def test_what_does_not_fit_the_backup_is_refused(then: Then) -> None:
    backup = then.back_up(1)
    then.add(2, 1)
    then.at(3, "UPDATE numbers SET t = 'new' WHERE n = 1")
    then.lab.shipper.turn()
    then.lab.empty.run(f"INSERT INTO {DATABASE}.numbers VALUES (1, 'not of the backup')")
    with pytest.raises(UserError, match="Duplicate entry"):
        then.lab.replay(backup, BEGAN + 3)


def test_a_server_that_is_killed_in_the_middle_is_no_success(
    then: Then, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = then.back_up(1)
    for number in range(20):
        then.add(2, number)
    then.lab.shipper.turn()
    plan = replaying.plan(then.lab.store, backup, datetime.fromtimestamp(BEGAN + 2, UTC))
    try:
        with pytest.raises(UserError, match=r"Replaying the binary log failed|throw-away server failed"):
            replaying.apply(
                plan, Target(then.lab.empty.client), DATABASE, lambda _: then.lab.empty.stop(kill=True)
            )
    finally:
        then.lab.empty.start()


def test_a_hole_is_never_bridged(then: Then) -> None:
    backup = then.back_up(1)
    for second in range(2, 6):
        then.add(second, second)
        then.lab.shipper.turn()
        if second == 3:
            then.lab.server.run("FLUSH BINARY LOGS")
    until = then.lab.settle()
    (timeline,) = catalogue.timelines(then.lab.logs)
    for piece in timeline.pieces[1:-1]:
        content = then.lab.logs.get(piece.key)
        then.lab.logs.delete(piece.key)
        with pytest.raises(UserError, match="a piece of the binary log is missing"):
            then.lab.replay(backup, until)
        then.lab.logs.put(content, piece.key)
    then.lab.replay(backup, until)
    assert then.numbers() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "harm", ["one bit", *(pytest.param(each, marks=pytest.mark.nightly) for each in ("cut off", "another's"))]
)
def test_a_damaged_piece_is_refused(then: Then, harm: str) -> None:
    backup = then.back_up(1)
    for second in (2, 3, 4):
        then.add(second, second)
        then.lab.shipper.turn()
    until = then.lab.settle()
    piece = catalogue.timelines(then.lab.logs)[0].pieces[1]
    content = then.lab.logs.get(piece.key)
    bit = content[:60] + bytes([content[60] ^ 4]) + content[61:]
    other = then.lab.logs.get(catalogue.timelines(then.lab.logs)[0].pieces[2].key)
    then.lab.logs.delete(piece.key)
    then.lab.logs.put({"cut off": content[:-20], "one bit": bit, "another's": other}[harm], piece.key)
    with pytest.raises(UserError, match="is damaged in the store"):
        then.lab.replay(backup, until)


@pytest.mark.parametrize(
    ("moved", "why"),
    [(1, "an event"), (42, "a transaction"), pytest.param(-31, "a transaction", marks=pytest.mark.nightly)],
)
def test_a_position_that_is_none_is_refused(then: Then, moved: int, why: str) -> None:
    then.add(1, 1)
    backup = then.back_up(1)
    then.add(2, 2)
    then.lab.shipper.turn()
    snapshot = replace(backup.snapshot, position=backup.snapshot.position + moved)
    with pytest.raises(UserError, match=f"lies within {why}"):
        then.lab.replay(replace(backup, snapshot=snapshot), BEGAN + 2)


def test_moments_that_cannot_be_reached(then: Then) -> None:
    backup = then.back_up(1)
    then.add(2, 2)
    then.lab.shipper.turn()
    with pytest.raises(UserError, match=r"is before filewallball_backup_"):
        then.lab.replay(backup, BEGAN)
    with pytest.raises(UserError, match="can't be reached yet: the store has the binary log up to"):
        then.lab.replay(backup, time.time() + 60)
    then.lab.server.run("RESET MASTER")
    then.lab.shipper.turn()
    with pytest.raises(UserError, match=r"names of its files are used again|no longer has"):
        then.lab.replay(backup, time.time() + 60)
