"""How long a call is tried while its server is away, when calls fail at once, and who tries again."""

from __future__ import annotations

import pytest
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,
    MaxConnectionsError,
    NoPermissionError,
    ResponseError,
    TimeoutError,
)

from filewallball.storage import StorageError, Unavailable, WrongSetting, WrongValue
from filewallball.storage.errors import Full
from filewallball.storage.failures import DEMOTED, NotSent, explained
from filewallball.storage.patience import Patience, Tries

GONE = ConnectionError("refused")
TOTAL = 10.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patience(clock: Clock) -> Patience:
    return Patience("cache:6379", TOTAL, open_seconds=1.0, clock=clock)


def fail(patience: Patience, error: Exception = GONE, *, once: bool = False, probing: bool = False) -> float:
    return Tries(patience, once=once).failed(error, probing=probing)


def exhausted(patience: Patience, clock: Clock, error: Exception = GONE) -> None:
    call = Tries(patience, once=False)
    for _ in range(10):
        call.failed(error, probing=False)
        clock.now += TOTAL / 10
    with pytest.raises(Unavailable):
        call.failed(error, probing=False)


def opened(patience: Patience, clock: Clock) -> None:
    exhausted(patience, clock)
    assert patience.state == "open"


def test_a_call_is_tried_as_long_as_a_failover_takes(patience: Patience, clock: Clock) -> None:
    call, deadline = Tries(patience, once=False), clock.now + TOTAL
    count = 0
    while clock.now < deadline:
        clock.now += call.failed(GONE, probing=False)
        count += 1
    assert count > 100
    with pytest.raises(Unavailable, match="cache:6379 can't be reached: refused"):
        call.failed(GONE, probing=False)


def test_then_calls_fail_at_once_until_one_may_try(patience: Patience, clock: Clock) -> None:
    opened(patience, clock)
    with pytest.raises(Unavailable, match="has not answered for 10 seconds"):
        patience.enter()
    clock.now += 1
    assert patience.state == "half-open"
    assert patience.enter() is True, "one may try"
    with pytest.raises(Unavailable):
        patience.enter()


def test_a_try_that_works_lets_all_through(patience: Patience, clock: Clock) -> None:
    opened(patience, clock)
    clock.now += 1
    assert patience.enter()
    patience.worked()
    assert patience.state == "closed"
    assert patience.enter() is False
    assert fail(patience) > 0, "and calls are tried for the whole time again"


def test_a_try_that_fails_is_not_repeated(patience: Patience, clock: Clock) -> None:
    opened(patience, clock)
    clock.now += 1
    assert patience.enter()
    with pytest.raises(Unavailable):
        fail(patience, probing=True)
    with pytest.raises(Unavailable):
        patience.enter()
    clock.now += 1
    assert patience.enter(), "the next one may try after the pause"


def test_another_may_try_where_the_first_one_never_came_back(patience: Patience, clock: Clock) -> None:
    opened(patience, clock)
    clock.now += 1
    assert patience.enter()
    clock.now += 5
    assert patience.enter()


def test_an_answer_that_is_an_error_closes_the_breaker_too(patience: Patience, clock: Clock) -> None:
    opened(patience, clock)
    clock.now += 1
    assert patience.enter()
    with pytest.raises(WrongValue):
        fail(patience, ResponseError("WRONGTYPE no"), probing=True)
    assert patience.state == "closed"


def test_a_call_that_works_in_between_keeps_the_breaker_closed(patience: Patience, clock: Clock) -> None:
    """A cluster with one shard down goes on for the others' keys."""
    for _ in range(10):
        fail(patience)
        clock.now += TOTAL / 2
        patience.worked()
    assert patience.state == "closed"


def test_a_crowd_of_our_own_does_not_open_the_breaker(patience: Patience, clock: Clock) -> None:
    exhausted(patience, clock, MaxConnectionsError("Too many connections"))
    assert patience.state == "closed"


def test_a_failure_long_ago_does_not_open_the_breaker(patience: Patience, clock: Clock) -> None:
    with pytest.raises(Unavailable):
        fail(patience, once=True)
    clock.now += 100 * TOTAL
    assert fail(patience) > 0
    assert patience.state == "closed"


@pytest.mark.parametrize("error", [TimeoutError("no answer"), ConnectionError("reset")], ids=str)
def test_what_must_not_be_done_twice_is_not_tried_again_if_it_may_be_done(
    patience: Patience, error: Exception
) -> None:
    with pytest.raises(Unavailable, match="may be done, or not"):
        fail(patience, error, once=True)


@pytest.mark.parametrize(
    "error",
    [ResponseError("NOREPLICAS Not enough"), ResponseError("LOADING"), ConnectionError(DEMOTED)],
    ids=str,
)
def test_but_it_is_where_the_server_refused_it(patience: Patience, error: Exception) -> None:
    assert fail(patience, error, once=True) > 0


def test_and_where_it_was_not_sent(patience: Patience) -> None:
    error = NotSent()
    error.__cause__ = GONE
    assert fail(patience, error, once=True) > 0


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        (AuthenticationError("WRONGPASS"), WrongSetting, "user or the password"),
        (ConnectionError("CERTIFICATE_VERIFY_FAILED"), WrongSetting, "ca_file"),
        (NoPermissionError("NOPERM"), StorageError, "more rights"),
        (ResponseError("WRONGTYPE not a string"), WrongValue, "another key"),
        (ResponseError("ERR value is not an integer or out of range"), WrongValue, "another key"),
        (ResponseError("increment or decrement would overflow"), WrongValue, "another key"),
        (ResponseError("OOM command not allowed"), Full, "raise its limit"),
        (ResponseError("ERR unknown"), StorageError, "answered: unknown"),
    ],
    ids=str,
)
def test_what_does_not_pass_is_raised_at_once(
    patience: Patience, error: Exception, kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind) as caught:
        fail(patience, error)
    assert told in str(caught.value)
    assert not isinstance(caught.value, Unavailable)


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert "TimeoutError" in str(explained(TimeoutError(), "cache"))
