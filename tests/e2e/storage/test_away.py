"""The server is gone, frozen or another one: calls end in time, fail fast or miss, and work again."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Storage, Unavailable, WrongSetting
from tests.e2e.redis_lab import RedisLab, Server, wait_for
from tests.e2e.storage.stores import Awaited, Watched

QUICK = "?timeout=0.4&attempt_timeout=0.2"
BOUND_SECONDS = 5.0
"""Far above what the address allows, so that a busy machine does not fail the test; a hang does."""


@pytest.fixture
def mine(lab: RedisLab) -> Iterator[Server]:
    server = lab.server()
    yield server
    server.stop()


@pytest.fixture(params=["threads", "asyncio"])
def opened(request: pytest.FixtureRequest) -> Callable[..., Any]:
    def make(url: str, **options: Any) -> Any:
        kind = request.param
        return (
            Storage.from_url(url, **options)
            if kind == "threads"
            else Awaited(AsyncStorage.from_url(url, **options))
        )

    return make


def state(storage: Any) -> str:
    return (storage.storage if isinstance(storage, Awaited) else storage).backend.patience.state


def bounded(call: Callable[[], object]) -> str:
    started = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        call()
    assert time.monotonic() - started < BOUND_SECONDS
    return str(caught.value)


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_calls_end_then_fail_at_once_then_work_again(
    mine: Server, opened: Callable[..., Any], ended: signal.Signals
) -> None:
    storage = opened(mine.url + QUICK)
    storage.set("a", 1)
    if ended == signal.SIGKILL:
        mine.stop()
    else:
        mine.send(ended)
    assert "can't be reached" in bounded(lambda: storage.get("a"))
    assert state(storage) == "open"
    assert "has not answered" in bounded(lambda: storage.set("a", 2))
    assert "has not answered" in bounded(lambda: storage.incr("n"))
    assert storage.health_check()["healthy"] is False
    if ended == signal.SIGKILL:
        mine.start()
    else:
        mine.send(signal.SIGCONT)

    def answers() -> bool:
        try:
            return storage.set("a", 3)
        except Unavailable:
            return False

    wait_for(answers, 10, lambda: state(storage))
    assert (state(storage), storage.get("a")) == ("closed", 3)
    storage.close()


def test_where_asked_for_a_server_that_is_gone_is_a_miss(mine: Server, opened: Callable[..., Any]) -> None:
    storage = opened(mine.url + QUICK, degrade=True)
    assert storage.set("a", "old")
    mine.send(signal.SIGSTOP)
    assert storage.get("a", "missing") == "missing"
    assert storage.get_many(["a", "b"]) == {}
    assert storage.set("a", "new") is False
    assert storage.set_many({"b": 1}) is False
    assert storage.delete("c") == 0
    assert storage.exists("a") is False
    assert storage.get_or_compute("d", lambda: 5, 60) == 5
    assert storage.stats()["unavailable"] >= 7
    for call in (
        lambda: storage.incr("n"),
        lambda: storage.save_checkpoint("w", 1),
        lambda: storage.load_checkpoint("w"),
    ):
        bounded(call)
    mine.send(signal.SIGCONT)
    # what could not be written is out of date: it is never read again
    wait_for(lambda: storage.health_check()["healthy"], 10, lambda: str(storage.health_check()))
    assert storage.get("a", "missing") == "missing"
    with mine.client() as client:
        assert client.get("a") is None
    assert storage.set("a", "newer")
    assert storage.get("a") == "newer"
    storage.close()


def test_a_wrong_password_is_told_at_once_even_where_calls_degrade(lab: RedisLab) -> None:
    server = lab.server(password="right")
    with pytest.raises(WrongSetting, match="password"):
        Storage.from_url(f"redis://:wrong@{server.address}", degrade=True).get("a")
    server.stop()


def test_a_counter_counts_once_though_connections_break(mine: Server) -> None:
    storage = Storage.from_url(mine.url)
    done, unsure = 0, 0
    with mine.client() as client:
        for number in range(300):
            if number % 3 == 0:
                client.client_kill_filter(_type="normal", skipme=True)
            try:
                storage.incr("n")
                done += 1
            except Unavailable:
                unsure += 1
        assert done <= int(client.get("n")) <= done + unsure
    assert done > 0
    storage.close()


def test_more_threads_than_connections_wait_for_each_other(server: Server) -> None:
    storage = Storage.from_url(server.url + "?max_connections=2&timeout=20")
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(50):
                storage.set(f"crowd:{number}", number, 60)
        except Exception as error:  # noqa: BLE001 - the main thread looks at it
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert storage.clear("crowd:") == 50
    storage.close()


def test_more_tasks_than_connections_wait_for_each_other(server: Server) -> None:
    async def work() -> list[Any]:
        async with AsyncStorage.from_url(server.url + "?max_connections=2&timeout=20") as storage:
            await storage.set("crowd", 1, 60)
            return await asyncio.gather(*(storage.get("crowd") for _ in range(200)))

    assert asyncio.run(work()) == [1] * 200


def test_an_async_storage_serves_one_event_loop_after_the_other(server: Server) -> None:
    storage = AsyncStorage.from_url(server.url)

    async def once() -> Any:
        await storage.set("loop", 1, 60)
        found = await storage.get("loop")
        await storage.close()
        return found

    assert [asyncio.run(once()) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("kind", ["one", "sentinels"])
def test_close_leaves_no_connection(kind: str, server: Server, watched: Watched) -> None:
    url = server.url if kind == "one" else watched.url
    with (server if kind == "one" else watched.servers[0]).client() as client:

        def ours() -> int:
            return sum(each["cmd"] == "get" for each in client.client_list())

        before = ours()
        storage = Storage.from_url(url)
        storage.get("a")
        pool = storage.backend.client.connection_pool  # type: ignore[attr-defined]
        assert ours() == before + 1
        storage.close()
        wait_for(lambda: ours() == before, 10, lambda: str(client.client_list()))

        async def once() -> Any:
            async with AsyncStorage.from_url(url) as storage:
                await storage.get("a")
                assert ours() == before + 1
                return storage.backend._own.client.connection_pool

        pools = pool, asyncio.run(once())
        wait_for(lambda: ours() == before, 10, lambda: str(client.client_list()))
        assert all(pools)


def test_a_child_has_connections_of_its_own(server: Server) -> None:
    storage = Storage.from_url(server.url)
    storage.set("parent", "p", 60)
    storage.start_cleaning(3600)
    children = []
    for number in range(4):
        pid = os.fork()
        if not pid:
            ok = all(
                storage.set(f"child:{number}", each) and storage.get(f"child:{number}") == each
                for each in range(50)
            )
            os._exit(0 if ok else 1)
        children.append(pid)
    for _ in range(200):
        assert storage.get("parent") == "p"
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    assert storage.clear("child:") == 4
    storage.close()


def test_a_child_of_a_cluster_waits_for_no_thread_of_its_parent(cluster: list[Server]) -> None:
    storage = Storage.from_url(f"redis+cluster://{cluster[0].address}")
    storage.set("parent", 1, 60)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with storage.backend.client.nodes_manager._lock:  # type: ignore[attr-defined]
            held.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    pid = os.fork()
    if not pid:
        gc.collect()  # the parent's client ends here
        os._exit(0 if storage.get("parent") == 1 else 1)
    status: list[int] = []

    def ended() -> bool:
        found, how = os.waitpid(pid, os.WNOHANG)
        status.extend([how] if found else [])
        return bool(found)

    try:
        wait_for(ended, 10, lambda: "the child waits")
        assert status == [0]
    finally:
        go_on.set()
        thread.join()
        if not status:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    storage.close()


@pytest.mark.nightly
def test_a_failover_costs_no_call(lab: RedisLab, opened: Callable[..., Any]) -> None:
    watched = Watched(*lab.sentinel_set(replicas=2))
    storage = opened(watched.url + "?timeout=20")
    storage.set("a", 0)
    with watched.servers[0].client() as client:
        client.wait(2, 5000)
    watched.servers[0].stop()
    for number in range(200):
        assert storage.set("a", number)
        assert storage.get("a") == number
    assert state(storage) == "closed"
    storage.close()
