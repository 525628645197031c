"""How fast a backup reads."""

from __future__ import annotations

from filewallball.backup.rate import Rate


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
