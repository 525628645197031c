"""A store that is away for a while: what degrades, what doesn't, and that nothing old is seen afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import Full, Storage, StorageError, Unavailable
from filewallball.storage.on_disk import OnDisk


class Now:
    """A store that raises `error` while there is one: of every call, or of `writes` alone."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.error: StorageError | None = None
        self.writes = False

    def __getattr__(self, name: str) -> Any:
        if self.error and (not self.writes or name in ("set", "set_many", "add", "change")):

            def call(*_: object, **__: object) -> None:
                raise self.error or AssertionError

            return call
        return getattr(self.backend, name)


@pytest.fixture
def now(tmp_path: Path) -> Now:
    return Now(OnDisk(tmp_path))


@pytest.fixture
def cache(now: Any) -> Iterator[Storage]:
    with Storage(now, "app:", degrade=True) as made:
        yield made


def test_every_read_misses_and_every_write_is_dropped(now: Now, cache: Storage) -> None:
    cache.set_json("doc", {"a": 1})
    cache.set("k", "old")
    now.error = Unavailable("away")
    assert cache.set_json("doc", 2, path="$.a") is False
    assert cache.get_json("doc", "$.a", "none") == "none"
    assert cache.expire("k", 5) is False
    assert cache.keys() == []
    with pytest.raises(KeyError):
        cache.ttl("k")
    for call in (lambda: cache.incr("n"), cache.clear, lambda: cache.save_checkpoint("w", 1)):
        with pytest.raises(Unavailable):
            call()
    now.error = None
    assert cache.keys() == [], "both were changed meanwhile, and may not be seen"
    assert (cache.get("k"), cache.get_json("doc")) == (None, None)


def test_an_old_value_is_seen_by_no_call(now: Now, cache: Storage) -> None:
    names = ("computed", "counted", "changed", "timed", "expiring")
    cache.set_many(dict.fromkeys(names, 5))
    cache.set_json("changed", {"a": 1})
    now.error = Unavailable("away")
    cache.set_many(dict.fromkeys(names, 0))
    now.error = None
    assert cache.get_or_compute("computed", lambda: "new", 60) == "new"
    now.error = Unavailable("away")
    cache.set_many(dict.fromkeys(names, 0))
    now.error = None
    assert (cache.incr("counted"), cache.get("counted")) == (1, 1)


@pytest.mark.parametrize("call", ["ttl", "expire", "set_json"])
def test_nor_by_one_that_changes_it(now: Now, cache: Storage, call: str) -> None:
    cache.set_json("k", {"a": 1})
    now.error = Unavailable("away")
    cache.set("k", 0)
    now.error = None
    if call == "ttl":
        with pytest.raises(KeyError):
            cache.ttl("k")
    elif call == "expire":
        assert cache.expire("k", 60) is False
    else:
        with pytest.raises(StorageError, match="no object or array"):
            cache.set_json("k", 2, path="$.a")
    assert cache.get("k") is None


def test_a_store_that_goes_away_when_it_is_a_callers_turn_to_compute(
    now: Now, cache: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = now.backend.set

    def then_away(*given: Any, **named: Any) -> bool:
        now.error = Unavailable("away")
        return taken(*given, **named)

    monkeypatch.setattr(now.backend, "set", then_away)
    assert cache.get_or_compute("k", lambda: 5, 60) == 5
    strict = Storage(cache.backend, "other:")
    now.error = None
    with pytest.raises(Unavailable):
        strict.get_or_compute("k", lambda: 5, 60)
    now.error = None


def test_a_store_that_is_full_drops_writes_and_goes_on_reading(now: Now, cache: Storage) -> None:
    cache.set("k", "old")
    now.error, now.writes = Full("no memory"), True
    assert cache.get("k") == "old"
    assert cache.set("k", "new") is False
    assert cache.set_many({"j": 1}) is False
    assert cache.get_or_compute("c", lambda: 5, 60) == 5
    assert cache.get("k") is None, "it is out of date"
    strict = Storage(cache.backend, "app:")
    for call in (lambda: strict.set("k", 1), lambda: strict.get_or_compute("c", int, 60)):
        with pytest.raises(Full):
            call()
