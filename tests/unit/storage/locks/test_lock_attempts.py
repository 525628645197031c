"""What is asked of a server for a lock, and when."""

from __future__ import annotations

import time

import pytest

from filewallball.storage.errors import NotAcquired
from filewallball.storage.locks.asking import Attempt, Names, Position

OVERDUE = 4
"""The place of the holding that should have run out among the script's arguments."""


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


def test_a_holding_is_overdue_once_it_was_seen_for_its_time_to_live(clock: Clock) -> None:
    attempt = Attempt(Names("", "a"), 5, None)
    first, extended = "other:1:7:20000:0", "other:1:7:20000:1"
    for value, seconds, overdue in (
        (first, 0, ""),
        (first, 20, ""),
        (first, 1.5, first),
        (extended, 0, ""),  # its holder lives
        (extended, 20, ""),
        (extended, 1.5, extended),
        ("", 0, ""),
    ):
        assert attempt.token(["taken", value, 99_000]) is None
        clock.seconds += seconds
        assert attempt.acquire(Position())[OVERDUE] == overdue


def test_a_pause_ends_with_the_time_to_live_or_the_time_to_wait(clock: Clock) -> None:
    attempt = Attempt(Names("", "a"), 5, 10)
    attempt.token([b"taken", b"other:1:7:20000:0", 99_000])
    assert attempt.pause() == 0.2
    attempt.token([b"taken", b"other:1:7:20000:0", 100])
    assert attempt.pause() == 0.1
    clock.seconds += 9.95
    assert attempt.pause() == pytest.approx(0.05)
    clock.seconds += 0.1
    with pytest.raises(NotAcquired):
        attempt.pause()


def test_a_token_has_the_epoch_above_the_time() -> None:
    attempt = Attempt(Names("", "a"), 5, 0)
    assert attempt.token([b"mine", f"{attempt.id}:3:17:5000:0".encode(), 0]) == (3 << 46) + 17
