"""Which backups go, and that the good ones stay whatever a clock says."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from filewallball.backup import retention
from filewallball.backup.catalogue import Entry
from filewallball.backup.manifest import Manifest, Position, Table
from filewallball.backup.names import MANIFEST_SUFFIX, backup_name
from filewallball.backup.store import Stored

NOW = datetime(2026, 3, 31, 2, 0, 0, tzinfo=UTC)
ABOUT = Manifest(
    "", NOW, 10, "s", 20, "filewallball_db", "utf8mb4", "c", "10.11", Position("f", 1),
    {"t": Table(1, 1, "x")}, {}, True, NOW, 0.5,
)  # fmt: skip


def entry(days: float, *, stored: float | None = None, differs: bool = False, **changes: Any) -> Entry:
    """One that is dated so many days ago; `stored`: taken in by the store so many days ago."""
    time = NOW - timedelta(days=days)
    name = backup_name(time)
    made = days if stored is None else stored
    position = Position("bin.000001", 10**9 - int(made * 86400))
    manifest = replace(ABOUT, name=name, created=time, **{"snapshot": position, **changes})
    if differs:
        manifest = replace(manifest, verified=False, differences=("view v: its definition differs.",))
    taken_in = NOW - timedelta(days=made)
    return Entry(name, time, 10, manifest, stored=taken_in)


def gone(*entries: Entry, now: datetime = NOW) -> list[str]:
    return retention.expendable(entries, 7, now)


def test_those_that_had_their_time_go_the_oldest_first() -> None:
    entries = [entry(days) for days in (0, 1, 6.9, 7.1, 8, 400)]
    assert gone(*entries) == [entries[5].name, entries[4].name, entries[3].name]


def test_the_newest_verified_one_stays_and_so_does_the_newest_of_any_verdict() -> None:
    differing = [entry(days, differs=True) for days in (0, 1, 10)]
    verified = [entry(days) for days in (20, 30)]
    assert gone(*differing, *verified) == [verified[1].name, differing[2].name]


def test_where_no_new_ones_come_the_last_week_stays() -> None:
    entries = [entry(days) for days in (30, 36, 38)]
    assert gone(*entries) == [entries[2].name]


def test_one_with_rows_stays_beside_empty_ones() -> None:
    empty = [entry(days, tables={}) for days in (0, 9)]
    full = [entry(days) for days in (20, 30)]
    assert gone(*empty, *full) == [full[1].name, empty[1].name]


def test_what_is_not_whole_or_not_known_is_left_alone() -> None:
    broken = Entry(entry(90).name, NOW - timedelta(days=90), 10, None, "the dump is missing")
    unproven = entry(91, verified=False)
    assert gone(entry(0), broken, unproven) == []


def test_a_clock_that_was_set_back_gives_a_new_backup_an_old_name() -> None:
    new = entry(300, stored=0)
    old = [entry(days) for days in (1, 20)]
    assert gone(new, *old) == [old[1].name]
    # While it is set back, nothing looks old.
    assert gone(new, *old, now=NOW - timedelta(days=300)) == []


def test_old_ones_that_were_copied_into_the_store_today_go() -> None:
    old = [entry(days, stored=0, snapshot=Position("bin.000001", 1)) for days in (20, 30)]
    assert gone(entry(1), *old) == [old[1].name, old[0].name]


def test_a_clock_that_runs_ahead_makes_nothing_older() -> None:
    entries = [entry(days) for days in (0, 1, 6)]
    assert gone(*entries, now=NOW + timedelta(days=365)) == []


def test_one_of_the_future_does_not_take_the_place_of_the_newest() -> None:
    ahead = entry(-400, stored=9)
    entries = [entry(8.5, stored=8.5), entry(8.6, stored=0, differs=True), entry(20)]
    assert gone(ahead, *entries) == [entries[2].name]


@pytest.mark.parametrize("seed", range(20))
def test_however_clocks_go_the_newest_good_ones_stay(seed: int) -> None:
    dice = random.Random(seed)
    found: list[Entry] = []
    for true_day in range(60, 0, -1):
        wrong = dice.choice([0, 0, 0, dice.uniform(-100, 100)])
        one = entry(true_day + wrong, stored=true_day, differs=dice.random() < 0.5)
        found.append(one)
        removed = set(retention.expendable(found, 7, NOW - timedelta(days=true_day + wrong), [one.name]))
        kept = [each for each in found if each.name not in removed]
        verified = [each for each in found if each.verified]
        assert one in kept
        if verified:
            assert max(verified, key=lambda each: each.stored or NOW) in kept
        found = kept


@dataclass
class Bucket:
    """A store of three methods."""

    keys: dict[str, bytes] = field(default_factory=dict[str, bytes])
    removed: list[str] = field(default_factory=list[str])

    def list(self) -> Any:
        return [Stored(key, 10, NOW) for key in sorted(self.keys)]

    def get(self, key: str) -> bytes:
        return self.keys[key]

    def delete(self, key: str) -> None:
        self.removed.append(key)
        self.keys.pop(key, None)


def test_manifests_go_first_and_strangers_stay() -> None:
    bucket = Bucket()
    entries = [entry(days) for days in (0, 20)]
    for one in entries:
        assert one.manifest is not None
        bucket.keys[one.name] = b"0123456789"
        bucket.keys[one.name + MANIFEST_SUFFIX] = one.manifest.to_json()
    strangers = ["notes.txt", backup_name(NOW - timedelta(days=90)), "filewallball_backup_old.sql.gz"]
    bucket.keys |= dict.fromkeys([*strangers, strangers[1] + MANIFEST_SUFFIX], b"?")
    assert retention.prune(bucket, 7, now=NOW) == [entries[1].name]  # pyright: ignore[reportArgumentType]
    assert bucket.removed == [entries[1].name + MANIFEST_SUFFIX, entries[1].name]
    assert set(strangers) < bucket.keys.keys()
