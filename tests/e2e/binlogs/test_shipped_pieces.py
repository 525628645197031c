"""Pieces of the log that are encrypted, that were small and are one now, and that two shippers put there."""

# ruff: noqa: S608 (names of tables are made here)

from __future__ import annotations

import gzip
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
import pytest
from log_lab import DATABASE, Clock, Lab
from shipped_log import TABLE, as_served, as_stored, pieces, rows

from filewallball.backup import age
from filewallball.backup.manifest import Manifest
from filewallball.backup.store import Store
from filewallball.binlogs import replay
from filewallball.binlogs.target import Target

BEGAN = (int(time.time()) // 3600 - 5) * 3600
KEY, OTHER = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()


class Killed(BaseException):
    """Nobody is told."""


class Hours:
    """A database in the first of some hours, whose server shows the time that the test says."""

    def __init__(self, lab: Lab, clock: Clock) -> None:
        self.lab = lab
        self.clock = clock
        lab.server.run(f"SET TIMESTAMP = {BEGAN - 20}", "RESET MASTER", f"CREATE DATABASE {DATABASE}", TABLE)

    def ship(self, second: int, *ids: int) -> None:
        """Add rows, and ship them ten seconds later."""
        self.clock.now = BEGAN + second
        for number in ids:
            self.lab.server.run(
                f"SET TIMESTAMP = {self.clock.now}", f"INSERT INTO {DATABASE}.rows_ VALUES ({number}, 'v')"
            )
        self.clock.now += 10
        self.lab.shipper.turn()

    def plans(self, backup: Manifest) -> list[tuple[Any, Any]]:
        """Where the replay goes by itself, and where it ends at most, for some moments."""
        made = [
            replay.plan(self.lab.store, backup, datetime.fromtimestamp(BEGAN + second, UTC), [KEY])
            for second in (15, 55, 95, 3605)
        ]
        return [(plan.sure, plan.stop) for plan in made]

    def ids(self) -> list[int]:
        return [n for (n,) in self.lab.restored("SELECT id FROM rows_ ORDER BY id")]


@pytest.fixture
def hours(lab: Lab, clock: Clock) -> Hours:
    return Hours(lab, clock)


def test_what_is_encrypted_comes_back_with_the_key_alone(hours: Hours, tmp_path: Path) -> None:
    lab = hours.lab
    hours.ship(-20, 0)  # in the clear
    backup = lab.back_up(BEGAN - 1)
    lab.recipients = (str(KEY.to_public()),)
    lab.shipper = lab.new_shipper()
    for second in (10, 20, 30, 40):
        hours.ship(second, second)
    hours.ship(3600, 41)
    sealed = [piece for piece in pieces(lab) if piece.keys]
    assert len(sealed) == 5
    for piece in sealed:
        content = lab.logs.get(piece.key)
        assert content.startswith(age.MAGIC)
        assert piece.key.endswith(".gz." + piece.keys + ".age")
    # By hand.
    (tmp_path / "key").write_text(f"{KEY}\n")
    piece = sealed[-1]
    (tmp_path / "piece").write_bytes(lab.logs.get(piece.key))
    packed = subprocess.run(
        ["age", "--decrypt", "--identity", tmp_path / "key", tmp_path / "piece"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert gzip.decompress(packed) == as_served(lab)[piece.file.name][piece.start : piece.end]
    # Merged, without a key.
    before = hours.plans(backup)
    hours.clock.now = BEGAN + 7300
    assert lab.merge()
    (old, merged, newest) = pieces(lab)
    assert (bool(old.keys), bool(merged.keys), bool(newest.keys)) == (False, True, True)
    assert hours.plans(backup) == before
    for keys, why in (([], "no private key was given"), ([OTHER], "none of the keys that were given")):
        with pytest.raises(age.NoKey, match=why) as caught:
            lab.replay(backup, BEGAN + 35, keys)
        assert "--identity FILE" in caught.value.hint
    lab.replay(backup, BEGAN + 35, [OTHER, KEY])
    assert hours.ids() == [0, 10, 20, 30]


def test_small_pieces_become_one_and_tell_what_they_told(
    hours: Hours, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = hours.lab
    hours.ship(-20, 0)
    backup = lab.back_up(BEGAN - 1)
    for second in range(0, 100, 20):
        hours.ship(second, second + 1)
        hours.ship(second + 10)  # nothing new: a mark
    lab.server.run("FLUSH BINARY LOGS")
    hours.ship(120, 120)
    hours.ship(3600, 3600)
    before, log = hours.plans(backup), as_stored(lab)
    planned = replay.plan(lab.store, backup, datetime.fromtimestamp(BEGAN + 65, UTC))
    keys = lab.keys()
    assert lab.merge()  # the hour isn't over for long enough
    assert lab.keys() == keys
    hours.clock.now = BEGAN + 7300
    whole, changes = False, 0
    while not whole:
        changes += 1
        whole = merged_up_to(lab, monkeypatch, changes)
        assert as_stored(lab) == log
        assert hours.plans(backup) == before
    assert changes > 3
    first, last = "binlog.000001", "binlog.000002"
    assert [(each.file.name, bool(each.time)) for each in pieces(lab)] == [
        (first, True), (first, True), (first, False), (last, True), (last, True),
    ]  # fmt: skip
    assert len(lab.keys()) < 12
    lab.shipper = lab.new_shipper()
    hours.ship(7310, 7310)
    # Also for a restore that was planned before.
    done = replay.apply(planned, Target(lab.empty.client), DATABASE, lambda _: None)
    assert done.transactions == 4
    assert hours.ids() == [0, 1, 21, 41, 61]


def merged_up_to(lab: Lab, monkeypatch: pytest.MonkeyPatch, changes: int) -> bool:
    """Merge, and break off after so many changes of the store; whether it has come to its end."""
    left, changing = changes, threading.Lock()
    with monkeypatch.context() as patched:

        def counted(change: Callable[..., None]) -> Callable[..., None]:
            def changed(*arguments: Any) -> None:
                nonlocal left
                with changing:
                    if left == 0:
                        raise Killed
                    change(*arguments)
                    left -= 1

            return changed

        for name in ("put", "delete"):
            patched.setattr(Store, name, counted(getattr(Store, name)))
        try:
            return lab.merge(seconds=3600 * (changes % 2))
        except Killed:
            return False


def test_what_the_server_no_longer_has_stays_as_it_is(hours: Hours) -> None:
    lab = hours.lab
    for second in (10, 20, 30):
        hours.ship(second, second)
    kept, hours.clock.now = lab.keys(), BEGAN + 7300
    lab.server.run("RESET MASTER", f"CREATE TABLE {DATABASE}.other (n INT)")
    rows(lab, 100, 10)
    assert lab.merge()
    assert lab.keys() == kept


def test_what_two_shippers_put_there_is_replayed_once(hours: Hours) -> None:
    lab = hours.lab
    lab.server.run(f"CREATE TABLE {DATABASE}.no_key (n INT)")
    hours.ship(0)
    backup = lab.back_up(BEGAN + 1)
    one, two = lab.shipper, lab.new_shipper()
    two.turn()  # both stand at the same place
    for second, shipper in ((10, one), (20, two), (30, one)):
        lab.server.run(
            f"SET TIMESTAMP = {BEGAN + second}", f"INSERT INTO {DATABASE}.no_key VALUES ({second})"
        )
        hours.clock.now = BEGAN + second + 5
        shipper.turn()
    two.close()
    found = [(piece.start, piece.end) for piece in pieces(lab)]
    assert any(a < c < b < d for a, b in found for c, d in found), found
    lab.replay(backup, BEGAN + 31)
    assert lab.restored("SELECT n FROM no_key ORDER BY n") == [(10,), (20,), (30,)]
