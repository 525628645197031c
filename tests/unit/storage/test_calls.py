"""What the calls of a storage give and refuse, by threads and by asyncio, in a folder."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Storage, Unavailable, WrongSetting, WrongValue
from filewallball.storage.logic import given, values
from filewallball.storage.on_redis import commands


class Awaited:
    """Calls of an AsyncStorage, awaited one after the other."""

    def __init__(self, storage: AsyncStorage, loop: asyncio.AbstractEventLoop) -> None:
        self.storage = storage
        self.loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def call(*given: Any, **named: Any) -> Any:
            found = getattr(self.storage, name)(*given, **named)
            return await found if asyncio.iscoroutine(found) else found

        return lambda *given, **named: self.loop.run_until_complete(call(*given, **named))


@pytest.fixture(params=["threads", "asyncio"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    kind = Storage if request.param == "threads" else AsyncStorage
    made: Any = kind.from_url(f"file://{tmp_path}/store", "app:", default_ttl=60)
    with asyncio.Runner() as runner:
        used = made if kind is Storage else Awaited(made, runner.get_loop())
        yield used
        used.close()


def test_counters(storage: Any) -> None:
    assert (storage.incr("n"), storage.incr("n", 5), storage.decr("n", 2)) == (1, 6, 4)
    storage.set("text", "x")
    with pytest.raises(WrongValue):
        storage.incr("text")
    for amount in (1.5, True, 1 << 63, "1"):
        with pytest.raises(WrongValue, match="amount is"):
            storage.incr("n", amount)


def test_the_default_time_to_live_and_others(storage: Any) -> None:
    storage.set("default", 1)
    storage.set("ever", 1, None)
    storage.set_many({"many": 1})
    assert 50 < storage.ttl("default") <= 60
    assert storage.ttl("ever") is None
    assert 50 < storage.ttl("many") <= 60
    assert storage.expire("ever", 5) is True
    assert storage.ttl("ever") <= 5
    assert storage.expire("none", 5) is False


@pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, "60", True, given.MOST_SECONDS + 1])
def test_times_to_live_that_can_not_be(storage: Any, ttl: Any) -> None:
    for call in (
        lambda: storage.set("a", 1, ttl),
        lambda: storage.set_many({"a": 1}, ttl),
        lambda: storage.expire("a", ttl),
        lambda: storage.incr("a", 1, ttl),
        lambda: storage.save_checkpoint("a", 1, ttl),
        lambda: storage.get_or_compute("a", lambda: 1, ttl),
    ):
        with pytest.raises(WrongSetting, match="ttl is"):
            call()
    assert storage.keys() == []


@pytest.mark.parametrize("key", ["", 5, None, b"bytes", "\ud800"])
def test_keys_that_can_not_be(storage: Any, key: Any) -> None:
    for call in (
        lambda: storage.get(key),
        lambda: storage.set(key, 1),
        lambda: storage.get_many(["a", key]),
        lambda: storage.set_many({key: 1}),
        lambda: storage.delete("a", key),
    ):
        with pytest.raises(WrongValue, match="is not a text with at least one character"):
            call()


def test_settings_that_can_not_be(storage: Any) -> None:
    with pytest.raises(WrongSetting, match="when is 'perhaps'"):
        storage.set("a", 1, when="perhaps")
    for name, value in (("stale", -1), ("beta", math.nan), ("stale", "long")):
        with pytest.raises(WrongSetting, match=f"{name} is"):
            storage.get_or_compute("a", lambda: 1, 60, **{name: value})
    for every in (0, -1, "often"):
        with pytest.raises(WrongSetting, match="every is"):
            storage.start_cleaning(every)


def test_nothing_to_do(storage: Any) -> None:
    assert (storage.get_many([]), storage.set_many({}), storage.delete_many([])) == ({}, True, 0)


def test_a_storage_without_a_prefix_is_not_emptied_by_chance(tmp_path: Path) -> None:
    with Storage.from_url(f"file://{tmp_path}/store") as storage:
        storage.set("a", 1)
        with pytest.raises(WrongSetting, match="would delete every key"):
            storage.clear()
        assert storage.clear("a") == 1


def test_documents_by_their_paths(storage: Any) -> None:
    storage.set_json("order", {"items": [{"price": 5}, {"price": 6}], "a b": {"파일": 1}}, 600)
    for path, found in {
        "$": {"items": [{"price": 5}, {"price": 6}], "a b": {"파일": 1}},
        "$.items[0].price": 5,
        "$.items[-1].price": 6,
        "$['a b']['파일']": 1,
        "$.items[*].price": [5, 6],
        "$.items[?@.price > 5].price": [6],
        "$..price": [5, 6],
        "$.items[7]": "none",
        "$.nothing[*]": [],
    }.items():
        assert storage.get_json("order", path, "none") == found
    assert storage.get_json("missing", "$.a", "none") == "none"


def test_changes_of_documents(storage: Any) -> None:
    storage.set_json("order", {"items": [1, 2]}, 600)
    storage.set_json("order", 3, path="$.items[2]")
    storage.set_json("order", {"by": "sea"}, path="$.sent")
    storage.set_json("order", 0, path="$.items[*]")
    assert storage.get_json("order") == {"items": [0, 0, 0], "sent": {"by": "sea"}}
    assert storage.ttl("order") > 500, "its time to live stays"
    storage.set_json("order", 1, 30, path="$.sent.by")
    assert storage.ttl("order") <= 30, "unless another is given"
    storage.set_json("list", [1])
    storage.set_json("list", 2, path="$[1]")
    assert storage.get("list") == [1, 2]


@pytest.mark.parametrize(
    ("path", "kind", "told"),
    [
        ("$.items[5]", WrongValue, "There is nothing at $.items[5]"),
        ("$.none.deeper", WrongValue, "There is nothing"),
        ("$.items.name", WrongValue, "There is nothing"),
        ("$.text.name", WrongValue, "There is nothing"),
        ("$..none", WrongValue, "There is nothing"),
        ("items", WrongSetting, "is no JSONPath"),
        ("$.items[", WrongSetting, "is no JSONPath"),
        (5, WrongSetting, "is no JSONPath"),
    ],
)
def test_places_that_are_not_there(storage: Any, path: Any, kind: type[Exception], told: str) -> None:
    before = {"items": [1], "text": "x"}
    storage.set_json("order", before)
    with pytest.raises(kind) as caught:
        storage.set_json("order", 1, path=path)
    assert told in str(caught.value)
    assert storage.get("order") == before


def test_what_is_no_document(storage: Any) -> None:
    storage.set("bytes", b"\xff")
    storage.set("text", "x")
    with pytest.raises(WrongValue, match="stand bytes, not JSON"):
        storage.get_json("bytes")
    for key in ("bytes", "text", "missing"):
        with pytest.raises(WrongValue, match="stands no object or array"):
            storage.set_json(key, 1, path="$.a")
    assert storage.get_json("text", "$.a", "none") == "none"
    for value in (b"x", math.nan, {"a": math.inf}, {"a": (1,)}):
        with pytest.raises(WrongValue):
            storage.set_json("text", value)


def test_a_path_without_its_library_says_what_to_install(
    storage: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonpath", None)
    storage.set_json("a", {"b": 1})
    assert storage.get_json("a") == {"b": 1}
    with pytest.raises(WrongSetting, match=r"pip install 'filewallball\[jsonpath\]'"):
        storage.get_json("a", "$.b")


def test_a_change_in_one_step(storage: Any) -> None:
    def more(value: Any) -> Any:
        return {"n": (value or {"n": 0})["n"] + 1}

    assert storage.change("a", more, 100) == {"n": 1}
    assert storage.change("a", more) == storage.get("a") == {"n": 2}
    assert 90 < storage.ttl("a") <= 100
    assert storage.change("a", more, None) == {"n": 3}
    assert storage.ttl("a") is None
    storage.get_or_compute("computed", lambda: {"n": 7}, 100)
    assert storage.change("computed", more) == storage.get("computed") == {"n": 8}

    def refuse(_: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        storage.change("a", refuse)
    assert storage.get("a") == {"n": 3}
    assert storage.change("a", lambda _: None) is None
    assert not storage.exists("a")
    with pytest.raises(WrongSetting, match="ttl is -1"):
        storage.change("a", more, -1)


def test_checkpoints_and_workflows(storage: Any) -> None:
    assert storage.save_checkpoint("import:1", b"state")
    assert 604_000 < storage.ttl("checkpoint:import:1") <= 604_800
    assert storage.list_checkpoints("import") == ["import:1"]
    assert (storage.load_checkpoint("import:1"), storage.load_checkpoint("none", 5)) == (b"state", 5)
    assert (storage.delete_checkpoint("import:1"), storage.delete_checkpoint("import:1")) == (True, False)
    assert storage.set_workflow_state("order", {"a": 1})
    assert storage.update_workflow_state("order", {"b": 2}, 30) == {"a": 1, "b": 2}
    assert storage.ttl("workflow:order") <= 30
    assert storage.list_workflows() == ["order"]
    assert storage.delete_workflow_state("order") is True
    assert storage.get_workflow_state("order", "none") == "none"
    storage.set("workflow:odd", 5)
    with pytest.raises(WrongValue, match="is no object"):
        storage.update_workflow_state("odd", {"a": 1})
    with pytest.raises(WrongValue, match="The name is ''"):
        storage.save_checkpoint("", 1)


def test_cleaning_on_a_schedule(storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.set("brief", 1, 0.01)
    storage.start_cleaning(0.02)
    storage.start_cleaning(0.02)
    for _ in range(500):
        if isinstance(storage, Awaited):
            storage.loop.run_until_complete(asyncio.sleep(0.02))
        if not storage.stats()["store"]["keys"]:
            return
    pytest.fail("it was not cleaned up")


def test_a_backup_and_a_check(storage: Any, tmp_path: Path) -> None:
    storage.set("a", 1)
    assert storage.backup(str(tmp_path / "backups")).exists()
    assert storage.check(fix=True) == []
    assert storage.cleanup_expired_checkpoints() == 0
    assert storage.exists("a") is True


class Away:
    """A backend of a store that is away."""

    def __getattr__(self, name: str) -> Any:
        def call(*_: object, **__: object) -> None:
            raise Unavailable("away")

        return call


class Leaving:
    """An empty backend that is away from its call of this number on."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __getattr__(self, name: str) -> Any:
        def call(*_: object, **__: object) -> Any:
            self.left -= 1
            if self.left < 0:
                raise Unavailable("away")
            return None if name == "get" else True

        return call


@pytest.mark.parametrize("calls", range(5))
def test_a_value_is_computed_whenever_the_store_goes_away(calls: int) -> None:
    leaving: Any = Leaving(calls)
    storage = Storage(leaving, degrade=True)
    assert storage.get_or_compute("k", lambda: 7, 60) == 7
    strict: Any = Leaving(calls)
    if calls < 4:  # the last call ends the lease, which ends by itself
        with pytest.raises(Unavailable):
            Storage(strict).get_or_compute("k", lambda: 7, 60)


def test_keys_that_were_not_written_are_remembered_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MOST_OWED", 3)
    away: Any = Away()
    storage = Storage(away, degrade=True)
    for number in range(5):
        assert storage.set(f"k{number}", 1) is False
    assert list(storage._values._owed) == [b"k2", b"k3", b"k4"]
    assert storage.get("k4") is None
    assert storage.get_many(["k0"]) == {}
    assert storage.stats()["store"] == {}
    assert storage.health_check()["error"] == "away"
    storage.start_cleaning(0.01)
    storage.close = lambda: None  # type: ignore[method-assign]
    storage._stop.set()


def test_what_info_tells_of_a_servers_troubles() -> None:
    said = {
        "loading": 1,
        "rdb_last_bgsave_status": "err",
        "maxmemory": 10,
        "used_memory": 11,
        "maxmemory_policy": "noeviction",
    }
    assert [line.split(".")[0] for line in commands.wrong(said, apart=False)] == [
        "The server is loading its data",
        "The server's last save to its disk failed",
        "The server's memory is full, so it refuses writes",
    ]
    assert commands.facts({}, apart=True) == {}
    both = commands.facts(
        {"a": {"db0": {"keys": 1}}, "b": {"db0": {"keys": 2}, "used_memory": 5}}, apart=True
    )
    assert (both["keys"], both["size"], both["servers"]) == (3, 5, 2)


def test_the_keys_that_begin_so_are_asked_for_literally() -> None:
    assert commands.pattern(b"a*b?[c]\\") == rb"a\*b\?\[c\]\\*"
