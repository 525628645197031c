"""Copies of values: bounded, of limited life, and none of an answer that news overtook."""

from __future__ import annotations

import gc
import threading

import pytest

from filewallball.storage import Local, Storage, Unavailable
from filewallball.storage.local.copies import Copies


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def copies(clock: Clock) -> Copies:
    made = Copies(2, 30.0, clock)
    made.forget_all(listening=True)
    return made


def kept(copies: Copies, key: bytes, left: float | None = None) -> None:
    copies.keep(key, copies.begin(key), b"v", left)


def test_a_copy_lives_no_longer_than_the_value_or_than_set(copies: Copies, clock: Clock) -> None:
    kept(copies, b"short", 5)
    kept(copies, b"ever")
    clock.now = 4.9
    assert (copies.get(b"short"), copies.get(b"ever")) == (b"v", b"v")
    clock.now = 5
    assert (copies.get(b"short"), copies.get(b"ever")) == (None, b"v")
    clock.now = 30
    assert copies.get(b"ever") is None
    assert copies.hits == 3


def test_the_ones_used_last_stay(copies: Copies) -> None:
    kept(copies, b"a")
    kept(copies, b"b")
    copies.get(b"a")
    kept(copies, b"c")
    assert [copies.get(key) for key in (b"a", b"b", b"c")] == [b"v", None, b"v"]
    assert len(copies) == 2


def test_an_answer_that_news_overtook_is_not_kept(copies: Copies) -> None:
    mark = copies.begin(b"a")
    copies.forget([b"a"])
    copies.keep(b"a", mark, b"old", None)
    assert copies.get(b"a") is None


def test_nor_one_that_a_loss_of_the_news_overtook(copies: Copies) -> None:
    mark = copies.begin(b"a")
    copies.forget_all(listening=False)
    copies.forget_all(listening=True)
    copies.keep(b"a", mark, b"old", None)
    assert copies.get(b"a") is None


def test_of_two_who_ask_at_the_same_time_the_later_one_counts(copies: Copies) -> None:
    first = copies.begin(b"a")
    second = copies.begin(b"a")
    copies.keep(b"a", first, b"old", None)
    assert copies.get(b"a") is None
    copies.keep(b"a", second, b"new", None)
    assert copies.get(b"a") == b"new"


def test_without_news_nothing_is_kept_or_given(copies: Copies) -> None:
    kept(copies, b"a")
    copies.forget_all(listening=False)
    kept(copies, b"b")
    copies.forget_all(listening=True)
    assert [copies.get(key) for key in (b"a", b"b")] == [None, None]


def test_a_key_that_is_not_there_has_no_copy(copies: Copies) -> None:
    copies.keep(b"a", copies.begin(b"a"), None, None)
    assert len(copies) == 0


def test_news_of_a_storage_that_nobody_closed_end() -> None:
    def listening() -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each.name == "storage news" and each not in before]

    before = threading.enumerate()
    storage = Storage.from_url("redis://127.0.0.1:1?timeout=0.01", local=Local())
    with pytest.raises(Unavailable):
        storage.get("a")
    [thread] = listening()
    del storage
    gc.collect()
    thread.join(20)
    assert not listening()
