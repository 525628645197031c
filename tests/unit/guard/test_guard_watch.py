"""A guard's looks at its server: cheap while all is well, often in a crowd, patient when it is shut out."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError, TimeoutError

from filewallball.guard import patience, watch
from filewallball.guard.watch import FULL, Guard

LINE = (
    "id={0} addr=a laddr=b fd=1 name= age=9 idle=9 flags=N db=0 argv-mem=0 cmd={1} user={2} redir=-1 resp=2\n"
)


class Server:
    """`clients`: id → (last command, user). `fault` is raised at each command."""

    def __init__(self) -> None:
        self.clients = {1: ("ping", "guard")}
        self.fault: Exception | None = None
        self.asked: list[str] = []
        self.run_id = "one"

    def execute_command(self, *words: Any) -> Any:
        self.asked.append(" ".join(map(str, words)))
        if self.fault:
            raise self.fault
        if words[0] == "INFO":
            return {"connected_clients": len(self.clients), "run_id": self.run_id}
        if words[:2] == ("CLIENT", "LIST"):
            return "".join(LINE.format(number, *one) for number, one in self.clients.items())
        return self.clients.pop(int(words[3]), None)

    def pipeline(self, transaction: bool) -> Server:
        assert not transaction
        return self

    def execute(self, raise_on_error: bool) -> None:
        assert not raise_on_error, "one that has gone meanwhile is no fault"

    def close(self) -> None:
        self.asked.append("close")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def guard(server: Server, said: list[str]) -> Guard:
    guard = Guard("redis", 3, ["guard"], said.append)
    guard._client = server
    return guard


def test_while_all_is_well_the_list_is_not_asked_for(guard: Guard, server: Server) -> None:
    server.clients |= {2: ("get", "app"), 3: ("get", "app")}
    assert guard.look() <= 1
    assert server.asked == ["INFO server clients"]


def test_what_goes_beyond_the_share_is_closed_and_looked_after_soon(
    guard: Guard, server: Server, said: list[str]
) -> None:
    server.clients |= dict.fromkeys(range(10, 20), ("get", "app"))
    assert guard.look() == watch.CROWDED_SECONDS
    assert sorted(server.clients) == [1, 10, 11, 12]
    guard.look()
    assert sorted(server.clients) == [1, 10, 11, 12]
    assert said == ["redis: 7 beyond the applications' 3 connections: closing the newest"]


def test_connections_that_only_wait_are_closed_at_the_second_look(guard: Guard, server: Server) -> None:
    server.clients |= dict.fromkeys(range(10, 20), ("NULL", "default"))
    guard.look()
    assert len(server.clients) == 11
    guard.look()
    assert sorted(server.clients) == [1, 10, 11, 12]


def test_the_ids_of_another_server_begin_anew(guard: Guard, server: Server) -> None:
    server.clients |= dict.fromkeys(range(1000, 1010), ("get", "app"))
    guard.look()
    server.run_id = "two"
    server.clients = dict.fromkeys(range(10, 20), ("NULL", "default"))
    guard.look()
    assert len(server.clients) == 10, "they may be just logging in"


def test_a_guard_that_is_shut_out_knocks_often_and_says_so_once(
    guard: Guard, server: Server, said: list[str]
) -> None:
    server.fault = ConnectionError(FULL)
    assert [guard.look() for _ in range(5)] == [watch.REFUSED_SECONDS] * 5
    assert said == ["redis: the server is full, and the guard has no connection: trying to get in"]


@pytest.mark.parametrize("fault", [ConnectionError("refused"), TimeoutError("t"), OSError("no such file")])
def test_a_server_that_is_gone_is_asked_now_and_then(guard: Guard, server: Server, fault: Exception) -> None:
    guard.look()
    server.fault = fault
    assert guard.look() == watch.REFUSED_SECONDS, "the first time at once: its place has just come free"
    assert guard.look() == watch.LOST_SECONDS
    server.fault = None
    assert guard.look() == watch.CALM_SECONDS


def test_it_ends_when_it_is_told_to(guard: Guard, server: Server) -> None:
    stopping = threading.Event()
    stopping.set()
    guard.run(stopping)
    assert server.asked == ["close"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    slept = SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    monkeypatch.setattr(patience, "time", slept)
    return now


def test_a_full_server_is_tried_again_for_some_seconds(clock: list[float]) -> None:
    answers: list[Any] = [ConnectionError(FULL)] * 3 + ["PONG"]
    failed: list[Exception] = []

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert patience.WhileFull().call_with_retry(ask, failed.append) == "PONG"
    assert len(failed) == 3

    answers[:] = [ConnectionError(FULL)] * 1000
    with pytest.raises(ConnectionError, match="max number"):
        patience.WhileFull().call_with_retry(ask, failed.append)
    assert patience.PATIENCE_SECONDS < clock[0] < patience.PATIENCE_SECONDS + 1


def test_no_other_fault_is_tried_again(clock: list[float]) -> None:
    tried: list[int] = []

    def ask() -> str:
        tried.append(1)
        raise ConnectionError("Connection closed by server.")

    with pytest.raises(ConnectionError, match="closed"):
        patience.WhileFull().call_with_retry(ask, lambda _: None)
    assert tried == [1]
