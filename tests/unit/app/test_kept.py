"""Small objects that are kept in memory."""

from __future__ import annotations

from filewallball.app.kept import Kept


def test_those_that_were_asked_for_least_lately_make_room() -> None:
    kept = Kept(100)
    for name in "abc":
        kept.put(name, name.encode() * 30)
    assert kept.get("a") == b"a" * 30
    kept.put("d", b"d" * 30)
    assert [kept.get(name) for name in "abcd"] == [b"a" * 30, None, b"c" * 30, b"d" * 30]
    kept.put("e", b"e" * 100)
    assert [bool(kept.get(name)) for name in "abcde"] == [False, False, False, False, True]


def test_what_is_put_again_or_dropped_counts_once() -> None:
    kept = Kept(100)
    for _ in range(5):
        kept.put("a", b"a" * 60)
    kept.put("b", b"b" * 40)
    assert kept.get("a")
    kept.drop("a")
    kept.drop("a")
    kept.put("c", b"c" * 60)
    assert (kept.get("a"), kept.get("b"), kept.get("c")) == (None, b"b" * 40, b"c" * 60)
