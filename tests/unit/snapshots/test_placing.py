"""The part of a restore that writes, where it stops: what it says then, and what it doesn't accept."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from test_session_set import A, FakeSet, server
from test_snapshot_catalogue import made

from filewallball.errors import UserError
from filewallball.snapshots.comparing import Compared
from filewallball.snapshots.placing import Placing


class FakeSessions(FakeSet):
    def raw(self, address: object, database: int) -> Any:
        return SimpleNamespace(close=lambda: None)


def placing(**changes: Any) -> Placing:
    sessions = FakeSessions([A] * 5, server(A, "master", **changes))
    log: Any = SimpleNamespace(say=lambda _: None)
    return Placing(sessions, SimpleNamespace(), made(0), A, log)  # type: ignore[arg-type]


def test_a_snapshot_larger_than_the_set_may_be() -> None:
    placing(maxmemory=4096).check_room()
    placing(maxmemory=0).check_room()
    with pytest.raises(UserError, match="maxmemory is") as caught:
        placing(maxmemory=4095).check_room()
    assert "filewallball:valkey.maxmemory" in caught.value.hint


def test_both_sets_of_data_fit_or_they_do_not() -> None:
    for maxmemory, fits in ((0, True), (1000 + 4096, True), (1000 + 4095, False)):
        one = server(A, "master", maxmemory=maxmemory)
        assert placing()._fits(one) is fits


@pytest.mark.parametrize(
    ("found", "evicted", "accepted"),
    [
        (Compared(equal=3), 0, True),
        (Compared(equal=1, expired=2), 0, True),
        (Compared(equal=2, differing=1), 9, False),
        (Compared(equal=2, missing=1), 0, False),
        (Compared(equal=2, missing=1), 1, True),
        (Compared(equal=1, missing=2), 1, False),
    ],
)
def test_what_a_server_may_hold(found: Compared, evicted: int, accepted: bool) -> None:
    if accepted:
        placing()._judge(A, found, evicted)
        return
    with pytest.raises(UserError, match="does not hold what the snapshot does"):
        placing()._judge(A, found, evicted)


@pytest.mark.parametrize(
    ("cleared", "placed", "said"),
    [
        (False, [], "Users still have what they had"),
        (True, [], "was emptied to make room"),
        (False, [0], "in place, but not in database 13"),
        (False, [0, 13], "All of the snapshot is in place"),
    ],
)
def test_where_it_stopped_and_what_to_do(cleared: bool, placed: list[int], said: str) -> None:
    stopped = placing()
    stopped._cleared, stopped._placed = cleared, placed
    assert said in stopped._state()
    assert f"--name {made(0).name}` again" in stopped._state()
