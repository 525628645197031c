"""The process that polls are measured against."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from filewallball.stability import reference
from filewallball.stability.reference import Reference


def asked(times: int) -> int:
    """Ask it so often, and move each time."""
    with reference.running() as address:
        one = Reference(address)
        for _ in range(times):
            one.move()
            one.ask()
        one.close()
    return times


def test_it_answers_on_each_pair_of_two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    chosen: list[int] = []
    really = os.sched_setaffinity

    def moved(thread: int, where: set[int]) -> None:
        chosen.extend(where)
        if where <= set(allowed):
            really(thread, where)

    def some(_process: int) -> set[int]:
        return {allowed[0], 1000}

    monkeypatch.setattr(os, "sched_getaffinity", some)
    monkeypatch.setattr(os, "sched_setaffinity", moved)
    with ThreadPoolExecutor(1) as pool:  # a thread of its own, which keeps what it is set to
        pool.submit(asked, 4).result()
    pairs = set(zip(chosen[::2], chosen[1::2], strict=True))
    assert pairs == set(product((allowed[0], 1000), repeat=2))


def test_where_it_may_not_choose_it_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: int, _where: set[int]) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", refused)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked, 3).result() == 3
