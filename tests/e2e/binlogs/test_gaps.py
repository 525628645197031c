"""A log that does not go on where the store's ends is another timeline: a gap is told, and never bridged."""

from __future__ import annotations

import time
from contextlib import suppress

import pymysql
import pytest
from log_lab import DATABASE, RIGHTS, USER, Lab
from shipped_log import TABLE, assert_shipped, pieces, rows

from filewallball.binlogs import catalogue
from filewallball.errors import UserError


def reset(lab: Lab) -> None:
    lab.server.run("RESET MASTER")


def reset_and_grow(lab: Lab) -> None:
    lab.server.run("RESET MASTER")
    rows(lab, 1000, 60)


def reset_and_rotate(lab: Lab) -> None:
    lab.server.run("RESET MASTER", "FLUSH BINARY LOGS")
    rows(lab, 1000, 2)


def replace(lab: Lab) -> None:
    lab.server.stop()
    lab.server.new_volume()
    lab.server.start()
    lab.server.run(f"CREATE DATABASE {DATABASE}", TABLE, f"CREATE USER {USER} IDENTIFIED BY 'p'", RIGHTS)
    rows(lab, 0, 60)


def purge(lab: Lab) -> None:
    # A shipper that is connected keeps the server from it, even one that has been killed, for some time.
    lab.shipper.close()
    for (thread,) in lab.server.run(
        "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'"
    ):
        with suppress(pymysql.OperationalError):  # it has ended meanwhile
            lab.server.run(f"KILL {thread}")
    rows(lab, 1000, 3)
    lab.server.run("FLUSH BINARY LOGS")
    deadline = time.monotonic() + 30
    while lab.server.run("PURGE BINARY LOGS TO 'binlog.000002'", "SHOW BINARY LOGS")[0][0] != "binlog.000002":
        assert time.monotonic() < deadline
        time.sleep(0.1)


NIGHTLY = pytest.mark.nightly


@pytest.mark.parametrize(
    ("harm", "connected"),
    [
        pytest.param(reset, True, marks=NIGHTLY),
        (reset_and_grow, True),
        (reset_and_rotate, True),
        (replace, True),
        pytest.param(purge, True, marks=NIGHTLY),
        (reset, False),
        pytest.param(reset_and_grow, False, marks=NIGHTLY),
        pytest.param(reset_and_rotate, False, marks=NIGHTLY),
        pytest.param(replace, False, marks=NIGHTLY),
        (purge, False),
    ],
)
def test_a_log_that_does_not_go_on_begins_a_timeline(shipped: Lab, harm: object, connected: bool) -> None:
    assert callable(harm)
    harm(shipped)
    if not connected:
        shipped.shipper.close()
        shipped.shipper = shipped.new_shipper()
    for _ in range(2):
        try:
            shipped.shipper.turn()
            break
        except UserError:  # the server was silent; the next turn connects anew
            continue
    assert any("GAP" in line for line in shipped.said), shipped.said
    assert {piece.timeline for piece in pieces(shipped)} == {1, 2}
    begin = catalogue.begin_of(shipped.logs, 2)
    assert begin is not None
    assert begin.broken
    assert_shipped(shipped, 2)
