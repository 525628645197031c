"""What a caller may give by mistake is refused with words that help, and changes nothing."""

from __future__ import annotations

import copy
import enum
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import (
    CacheManager,
    DistributedLockManager,
    Local,
    SnapshotManager,
    Storage,
    StorageError,
    StorageManager,
    WrongSetting,
    WrongValue,
)
from filewallball.storage.locks.asking import Names, milliseconds


class Colour(enum.StrEnum):
    RED = "red"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Any]:
    with Storage.from_url(f"file://{tmp_path}/store") as made:
        yield made


WRONG: list[tuple[type[StorageError], str, Any]] = [
    (WrongValue, "amount is 'x'", lambda storage: storage.decr("n", "x")),
    (WrongValue, "amount is None", lambda storage: storage.decr("n", None)),
    (WrongValue, "amount is True", lambda storage: storage.decr("n", True)),
    (WrongValue, "keys is 'abc'.*a list of texts", lambda storage: storage.get_many("abc")),
    (WrongValue, "keys is 'abc'", lambda storage: storage.delete_many("abc")),
    (WrongValue, "keys is None", lambda storage: storage.get_many(None)),
    (WrongValue, "items is a list. Write a dict", lambda storage: storage.set_many([("a", 1)])),
    (WrongValue, "The name is 5", lambda storage: storage.save_checkpoint(5, 1)),
    (WrongValue, "The name is 5", lambda storage: storage.set_workflow_state(5, {})),
    (WrongValue, "The state is .1.", lambda storage: storage.set_workflow_state("w", [1])),
    (WrongValue, "The state is 'ab'", lambda storage: storage.update_workflow_state("w", "ab")),
    (WrongValue, "The name is 5", lambda storage: SnapshotManager(storage).save_snapshot(5, 1)),
    (WrongSetting, "lease is None", lambda storage: storage.get_or_compute("k", int, 5, lease=None)),
    (WrongSetting, "lease is 0", lambda storage: storage.get_or_compute("k", int, 5, lease=0)),
    (WrongSetting, "stale is 1e", lambda storage: storage.get_or_compute("k", int, 5, stale=1e300)),
    (WrongSetting, "every is 1e", lambda storage: storage.start_cleaning(1e300)),
    (WrongSetting, "ttl is None", lambda storage: storage.lock("l", None).__enter__()),
    (WrongSetting, "lock is 'x'", lambda storage: storage.locks.acquire("l", "x")),
    (WrongSetting, "lock is True", lambda storage: storage.locks.acquire("l", True)),
    (WrongValue, "lock is 5", lambda storage: storage.locks.acquire(5, 1)),
    (WrongValue, "Storage can't be pickled", pickle.dumps),
    (WrongValue, "Storage can't be pickled", copy.deepcopy),
]


@pytest.mark.parametrize(("kind", "words", "call"), WRONG)
def test_a_mistake_is_told(storage: Any, kind: type[StorageError], words: str, call: Any) -> None:
    with pytest.raises(kind, match=words):
        call(storage)
    assert storage.keys() == []


def test_a_lock_on_a_server_is_looked_at_before_anybody_is_asked() -> None:
    for ttl in (None, "x", True, 0, float("nan")):
        with pytest.raises(WrongSetting, match="time to live of a lock"):
            milliseconds(ttl)  # type: ignore[arg-type]
    assert milliseconds(1e300) == 2**52
    with pytest.raises(WrongValue, match="name of a lock is 5"):
        Names("", 5)  # type: ignore[arg-type]


def test_a_very_long_time_to_live_of_a_lock_on_disk(storage: Any) -> None:
    held = storage.locks.acquire("l", 1e300, 0)
    held.release()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"local": True}, "local is True. Write Local"),
        ({"local": Local(ttl="x")}, "local is Local"),  # type: ignore[arg-type]
        ({"local": Local(items=1.5)}, "local is Local"),  # type: ignore[arg-type]
        ({"user": 5}, "user is 5"),
        ({"password": b"x"}, "password is a bytes. Write a text, a Path or a function"),
        ({"password": 5}, "password is a int"),
    ],
)
def test_an_option_of_a_wrong_kind_is_told(given: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongSetting, match=words):
        Storage.from_url("redis://localhost", **given)


def test_a_user_beside_the_one_in_the_address_is_told() -> None:
    with pytest.raises(WrongSetting, match="user is in the address and beside it"):
        Storage.from_url("redis://app:x@localhost", user="admin")


def test_a_key_may_be_a_text_of_an_enumeration(storage: Any) -> None:
    storage.set(Colour.RED, 1)
    assert (storage.get("red"), storage.get_many([Colour.RED])) == (1, {"red": 1})


@pytest.mark.parametrize("name", ["max_size", "default_ttl", "checkpoint_ttl"])
def test_nothing_is_not_taken_for_the_default(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongSetting, match=r"is '?0"):
        CacheManager(tmp_path, **{name: 0})  # type: ignore[arg-type]


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CACHE_DIR", "~/cache")
    monkeypatch.setenv("LOCK_DIR", "~/locks")
    monkeypatch.chdir(tmp_path)
    manager = StorageManager()
    with manager.lock("a"):
        manager.set("a", 1)
    manager.close()
    assert not (tmp_path / "~").exists()
    assert sorted(each.name for each in (tmp_path / "home").iterdir()) == ["cache", "locks"]
    monkeypatch.setenv("CACHE_DIR", "~nobody-of-this-name/cache")
    with pytest.raises(WrongSetting, match="CACHE_DIR is '~nobody-of-this-name/cache'"):
        CacheManager()
    with pytest.raises(WrongSetting, match="The folder is 5"):
        CacheManager(5)  # type: ignore[arg-type]


def test_names_of_locks_are_texts_that_every_store_can_keep(tmp_path: Path) -> None:
    locks = DistributedLockManager(tmp_path)
    for name in (5, None, "", "\ud800"):
        with pytest.raises(WrongValue, match="is not a text"):
            locks.acquire_lock(name)  # type: ignore[arg-type]
    with pytest.raises(WrongValue, match="DistributedLockManager can't be pickled"):
        pickle.dumps(locks)


def test_a_thread_gives_back_its_own_locks_alone(tmp_path: Path) -> None:
    locks = DistributedLockManager(tmp_path)

    def inside(call: Callable[[], object]) -> object:
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(call()))
        thread.start()
        thread.join()
        return found[0]

    assert inside(lambda: locks.acquire_lock("a", 60, 0))
    # the number of a thread that has ended is given to the next one
    assert [inside(lambda: locks.release_lock("a")) for _ in range(3)] == [False] * 3
    assert inside(lambda: locks.extend_lock("a", 60)) is False
    assert locks.is_locked("a")
