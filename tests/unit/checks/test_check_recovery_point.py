"""What recovery-point makes of the log in the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from facts.checks.backups import BinlogsTarget, StoreTarget
from filewallball.backup.store import Stored
from filewallball.binlogs.begin import Begin
from filewallball.binlogs.catalogue import Gap, Reach, Timeline, Window
from filewallball.binlogs.names import LogFile, Mark, Piece
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.suites import binlogs

CONFIG = ChecksConfig("n", disposable=False, sections=(BinlogsTarget(store=StoreTarget(bucket="b")),))
NOW = datetime.now(UTC)
FILE = LogFile("binlog.000001", 1)


def window(timeline: int, hours: float) -> Window:
    return Window(NOW - timedelta(hours=hours), NOW, ("backup",), timeline)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch):
    """`check(lag, reach)`: the check, with a newest timeline 2 whose newest mark is that old."""
    monkeypatch.setattr(binlogs, "PATIENCE_SECONDS", 0.0)

    def run(lag: float | None, reach: Reach, *, broken: bool = True) -> str:
        marks = () if lag is None else (Mark(2, FILE, 9, int(time.time() - lag)),)
        begin = Begin(NOW, broken, "The log was reset.")
        monkeypatch.setattr(binlogs.catalogue, "timelines", lambda _: [Timeline(2, (), marks)])
        monkeypatch.setattr(binlogs.catalogue, "windows", lambda *_: reach)
        monkeypatch.setattr(binlogs.catalogue, "begin_of", lambda *_: begin)
        return binlogs.recovery_point(CONFIG)

    return run


def test_a_log_that_is_up_to_date(check):
    assert "can be restored" in check(20, Reach((window(2, 5),), ()))


@pytest.mark.parametrize("lag", [62, 86400])
def test_a_log_that_stands_still(check, lag):
    with pytest.raises(CheckFailed, match=r"would be lost with the volume") as caught:
        check(lag, Reach((window(2, 5),), ()))
    assert "kubectl -n n logs deploy/filewallball-binlogs" in caught.value.hint


def test_no_log_at_all(check):
    with pytest.raises(CheckFailed, match="nothing of the binary log"):
        check(None, Reach((), ()))


@pytest.mark.parametrize("windows", [(), (window(1, 5),)])
def test_no_backup_since_the_log_broke(check, windows):
    with pytest.raises(CheckFailed, match=r"The log was reset\.") as caught:
        check(5, Reach(windows, ()))
    assert "fwb backup now STACK" in caught.value.hint


def test_no_backup_since_the_beginning(check):
    with pytest.raises(CheckFailed, match="No backup has been made"):
        check(5, Reach((), ()), broken=False)


def test_a_gap_is_told_for_a_day(check):
    for hours, told in ((1, True), (25, False)):
        gap = Gap(NOW - timedelta(hours=hours + 1), NOW - timedelta(hours=hours), "The log was reset.")
        reach = Reach((window(1, 50), window(2, hours)), (gap,))
        if told:
            with pytest.raises(CheckWarned, match=r"The log was reset\."):
                check(5, reach)
        else:
            assert "can be restored" in check(5, reach)


@pytest.mark.parametrize(("age", "reached"), [(1, True), (3600, False)])
def test_a_backup_of_just_now_is_waited_for(check, monkeypatch: pytest.MonkeyPatch, age: int, reached: bool):
    """Its place in the log is shipped some seconds later. An old one, whose place never came, is not."""
    made = datetime.now(UTC) - timedelta(seconds=age)
    waited: list[float] = []

    def shipped(seconds: float) -> None:
        waited.append(seconds)
        monkeypatch.setattr(binlogs.catalogue, "windows", lambda *_: Reach((window(2, 0.1),), (), made))

    monkeypatch.setattr(binlogs, "PATIENCE_SECONDS", 20.0)
    monkeypatch.setattr(binlogs, "time", SimpleNamespace(sleep=shipped, monotonic=time.monotonic))
    if reached:
        assert "can be restored" in check(5, Reach((), (), made))
    else:
        with pytest.raises(CheckFailed, match="can't be restored"):
            check(5, Reach((), (), made))
    assert bool(waited) == reached


def test_the_store_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once below the log's folder, and once for the backups, whose manifests are read once."""
    store = FewRequests()
    monkeypatch.setattr(binlogs.scheduled, "open_store_at", lambda _: store)
    monkeypatch.setattr(binlogs.catalogue, "below", lambda _: store.logs)
    with pytest.raises(CheckFailed, match="No backup has been made"):
        binlogs.recovery_point(CONFIG)
    assert (store.listed, store.logs.listed) == (1, 1)


class FewRequests:
    """A store with a log that is up to date, and without backups."""

    def __init__(self, keys: tuple[str, ...] = ()) -> None:
        self.keys = keys
        self.listed = 0

    @property
    def logs(self) -> FewRequests:
        if not hasattr(self, "_logs"):
            piece = Piece(1, FILE, 0, 9, int(time.time()))
            self._logs = FewRequests((piece.key,))
        return self._logs

    def list(self) -> Iterator[Stored]:
        self.listed += 1
        return iter([Stored(key, 1, NOW) for key in self.keys])

    def exists(self, _key: str) -> bool:
        return False
