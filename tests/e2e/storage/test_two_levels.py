"""Copies in the process before the server: quick, and gone when the server tells of a change or is away."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Local, Storage, Unavailable, WrongSetting
from tests.e2e.redis_lab import RedisLab, Server, wait_for
from tests.e2e.storage.stores import Awaited, OnServers, Watched, made
from tests.e2e.storage.test_model import check


@pytest.fixture(params=["threads", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    opened: list[Any] = []

    def make(url: str) -> Any:
        kind = Storage if request.param == "threads" else AsyncStorage
        storage: Any = kind.from_url(url, "two:", local=Local())
        opened.append(Awaited(storage) if kind is AsyncStorage else storage)
        return listening(opened[-1])

    yield make
    for each in opened:
        each.close()


def copies(storage: Any) -> Any:
    return (storage.storage if isinstance(storage, Awaited) else storage).backend.copies


def listening(storage: Any) -> Any:
    storage.get("anything")
    wait_for(lambda: copies(storage).listening, 10, lambda: "it does not listen")
    return storage


def hits(storage: Any) -> int:
    return storage.stats()["store"]["local_hits"]


def test_a_second_read_asks_nobody(server: Server, opened: Callable[..., Any]) -> None:
    storage = opened(server.url)
    storage.set_many({"a": [1], "b": 2}, 60)

    def asks_nobody() -> bool:
        before = hits(storage)
        assert (storage.get("a"), storage.get_many(["a", "b"])) == ([1], {"a": [1], "b": 2})
        return hits(storage) - before == 3

    # The news of its own writing may come late, and takes the copies away once.
    wait_for(asks_nobody, 10, lambda: f"the server is asked again: {storage.stats()}")
    assert storage.stats()["store"]["local_copies"] == 2


def test_what_others_write_is_seen(server: Server, opened: Callable[..., Any]) -> None:
    storage = opened(server.url)
    for change in ("set", "delete", "flushall", "pexpire"):
        storage.set("a", 1, 60)
        assert (storage.get("a"), storage.get("a")) == (1, 1)
        with server.client() as other:
            given = {"set": ("two:a", "2"), "delete": ("two:a",), "flushall": (), "pexpire": ("two:a", 1)}[
                change
            ]
            getattr(other, change)(*given)
        expected = 2 if change == "set" else None
        wait_for(
            lambda expected=expected: storage.get("a") == expected, 10, lambda: f"still {storage.get('a')}"
        )


def test_ones_own_writes_are_seen_at_once(server: Server, opened: Callable[..., Any]) -> None:
    storage = opened(server.url)
    for number in range(100):
        storage.set("own", number, 60)
        assert storage.get("own") == number
        assert storage.incr("own") == number + 1
        assert storage.get("own") == number + 1
    storage.set_json("doc", {"a": 1}, 60)
    storage.get("doc")
    storage.set_json("doc", 2, path="$.a")
    assert storage.get("doc") == {"a": 2}
    storage.expire("doc", None)
    assert storage.clear() == 2
    assert (storage.get("own"), storage.get("doc")) == (None, None)


def test_a_copy_does_not_outlive_its_value(server: Server, opened: Callable[..., Any]) -> None:
    storage = opened(server.url)
    storage.set("brief", 1, 1)
    assert storage.get("brief") == 1
    wait_for(lambda: storage.get("brief") is None, 5, lambda: "still there")


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_when_the_server_is_away_the_copies_go(lab: RedisLab, opened: Callable[..., Any], ended: Any) -> None:
    server = lab.server()
    storage = opened(server.url + "?timeout=0.3&attempt_timeout=0.2")
    storage.set("a", 1)
    assert storage.get("a") == 1
    if ended == signal.SIGKILL:
        server.stop()
    else:
        server.send(ended)
    wait_for(lambda: not copies(storage).listening, 10, lambda: "still listening")
    with pytest.raises(Unavailable):
        storage.get("a")
    if ended == signal.SIGKILL:
        server.start()
    else:
        server.send(signal.SIGCONT)
    wait_for(lambda: copies(storage).listening, 20, lambda: "does not listen again")
    server.stop()


def test_a_child_listens_by_itself(server: Server) -> None:
    with Storage.from_url(server.url, "two:", local=Local()) as storage:
        listening(storage)
        storage.set("a", 1, 60)
        assert storage.get("a") == 1
        pid = os.fork()
        if not pid:
            alone = not storage.backend.copies.listening
            listening(storage)
            os._exit(0 if alone and storage.get("a") == 1 and storage.set("a", 2, 60) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        wait_for(lambda: storage.get("a") == 2, 10, lambda: "the child's write was not seen")
        storage.clear()


class WithCopies(OnServers):
    def __init__(self, server: Server, client: Any) -> None:
        super().__init__(made(server.url, asynchronous=False, local=Local(items=3)), [client])
        listening(self.storage)

    def let_pass(self, seconds: float) -> None:
        super().let_pass(seconds)
        self.storage.backend.copies.forget_all(listening=True)


@pytest.mark.nightly
def test_it_does_what_the_model_does(server: Server) -> None:
    with server.client() as client:
        check(lambda: WithCopies(server, client), 8)


@pytest.mark.nightly
def test_with_sentinels(watched: Watched) -> None:
    with Storage.from_url(watched.url, "two:", local=Local()) as storage:
        listening(storage)
        storage.set("a", 1, 60)

        def asks_nobody() -> bool:
            before = hits(storage)
            assert (storage.get("a"), storage.get("a")) == (1, 1)
            return hits(storage) - before == 2

        # The news of its own writing may come late, and takes the copy away once.
        wait_for(asks_nobody, 10, lambda: f"the server is asked again: {storage.stats()}")


@pytest.mark.parametrize(
    ("url", "local", "told"),
    [
        ("redis+cluster://a", Local(), "one server or a set"),
        ("file:///x", Local(), "one server or a set"),
        ("redis://a", Local(items=0), "at least 1 item"),
        ("redis://a", Local(ttl=0), "seconds from 0"),
    ],
)
def test_where_copies_can_not_be(url: str, local: Local, told: str) -> None:
    with pytest.raises(WrongSetting, match=told):
        Storage.from_url(url, local=local)
