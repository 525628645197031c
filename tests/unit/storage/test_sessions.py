"""What is tried again while a fail-over lasts, and what isn't."""

from __future__ import annotations

import pytest
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)
from redis.sentinel import MasterNotFoundError

from filewallball.storage import sessions
from filewallball.storage.failures import passes

PASSING = [
    ConnectionError("reset"),
    TimeoutError("frozen"),
    ReadOnlyError("demoted"),
    MasterNotFoundError("between two primaries"),
    ResponseError("NOREPLICAS Not enough good replicas to write."),
    ResponseError("MASTERDOWN Link with MASTER is down"),
    ResponseError(
        "Command # 1 (SET k v EX 60) of pipeline caused error: NOREPLICAS Not enough good replicas"
    ),
]
LASTING = [
    ResponseError("Command # 1 (SET NOREPLICAS 1) of pipeline caused error: WRONGTYPE not a hash"),
    ResponseError("WRONGTYPE not a hash"),
    NoPermissionError("no"),
    ValueError("own fault"),
]


@pytest.fixture
def client() -> sessions.Sessions:
    return sessions.connect([("127.0.0.1", 1)], password="x", sentinel_password="y", timeout=5)


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_what_a_failover_throws_is_tried_again(client: sessions.Sessions, error: Exception) -> None:
    answers = iter([error, error, "done"])

    def function(_: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert client.call(function) == "done"


@pytest.mark.parametrize("error", LASTING, ids=str)
def test_what_will_not_pass_is_raised_at_once(client: sessions.Sessions, error: Exception) -> None:
    calls: list[object] = []

    def function(_: object) -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        client.call(function)
    assert len(calls) == 1


def test_a_wrong_password_is_no_failover() -> None:
    assert not passes(AuthenticationError("WRONGPASS"))


def test_in_the_end_the_last_error_is_raised() -> None:
    client = sessions.connect([("127.0.0.1", 1)], password="x", sentinel_password="y", timeout=0.05)
    with pytest.raises(MasterNotFoundError):
        client.call(lambda valkey: valkey.get("x"))


def test_then_calls_fail_at_once_and_one_tries_again() -> None:
    client = sessions.connect([("127.0.0.1", 1)], password="x", sentinel_password="y", timeout=0.1)
    calls: list[object] = []

    def away(valkey: object) -> None:
        calls.append(valkey)
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        client.call(away)
    tried = len(calls)
    assert tried > 1
    with pytest.raises(ConnectionError, match=r"has not answered for 0\.1 seconds"):
        client.call(away)
    assert len(calls) == tried
    assert client.read(lambda _: "read") == "read", "the replicas are another matter"
    client._patience.open_seconds = 0
    client._patience._until = 0
    assert client.call(lambda _: "back") == "back"
    assert client.call(lambda _: "again") == "again"


def test_no_try_waits_longer_than_a_failover_takes() -> None:
    """redis-py's defaults wait for ever, and then retry with pauses of up to ten seconds."""
    client = sessions.connect([("127.0.0.1", 1)], password="x", sentinel_password="y")
    settings = client.primary.connection_pool.connection_kwargs
    assert settings["socket_timeout"] == settings["socket_connect_timeout"] == sessions.ATTEMPT_SECONDS
    assert settings["retry"].get_retries() == 0


def test_database_and_bytes_are_the_applications_choice() -> None:
    client = sessions.connect(
        [("127.0.0.1", 1)], password="x", sentinel_password="y", db=3, decode_responses=False
    )
    for one in (client.primary, client.replica):
        settings = one.connection_pool.connection_kwargs
        assert (settings["db"], settings["decode_responses"]) == (3, False)
