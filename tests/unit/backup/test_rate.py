"""How fast a backup reads."""

from __future__ import annotations

import pytest

from filewallball.backup.rate import Rate, in_time


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_no_more_than_the_rate() -> None:
    clock = Clock()
    rate = Rate(1000, clock, clock.sleep)
    for _ in range(11):
        rate.wait(500)
    assert round(clock.slept, 6) == 5.0


def test_a_stall_is_not_made_up_for() -> None:
    clock = Clock()
    rate = Rate(1000, clock, clock.sleep)
    rate.wait(500)
    clock.now += 60
    rate.wait(500)
    rate.wait(500)
    assert round(clock.slept, 6) == 0.5


def test_without_a_limit_nothing_waits() -> None:
    clock = Clock()
    Rate(None, clock, clock.sleep).wait(10**12)
    assert clock.slept == 0


@pytest.mark.parametrize(
    ("rate", "size", "seconds", "wanted"),
    [
        (5, 1000, 7200, 5),  # 400 s of 7,200
        (5, 36_000, 7200, 20),  # both ways through it in 3,600 s
        (0, 10**9, 7200, 0),
        (None, 10**9, 7200, None),
    ],
)
def test_a_large_database_is_read_in_time(
    rate: int | None, size: int, seconds: int, wanted: int | None
) -> None:
    assert in_time(rate, size, seconds) == wanted
