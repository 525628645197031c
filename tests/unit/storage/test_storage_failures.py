"""What errors of redis-py mean, whose classes and words are not always those of the server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.sentinel import MasterNotFoundError

from filewallball.storage import StorageError, Unavailable, WrongSetting
from filewallball.storage.errors import Full
from filewallball.storage.failures import NO_CLUSTER, explained, of_a_connection, passes


def caused(error: Exception) -> RedisClusterException:
    """As redis-py raises it, where no node can be asked."""
    found = RedisClusterException(f"Redis Cluster cannot be connected: {error}")
    found.__cause__ = error
    return found


def not_a_cluster(said: Exception) -> RedisClusterException:
    inner = RedisClusterException(NO_CLUSTER)
    inner.__context__ = said
    return caused(inner)


@pytest.mark.parametrize(
    "error",
    [
        ClusterDownError("The cluster is down"),
        TryAgainError("Multiple keys"),
        MasterDownError("Link down"),
        caused(ConnectionRefusedError("refused")),
        RedisClusterException("All slots are not covered"),
    ],
)
def test_what_a_failover_explains_is_tried_again(error: Exception) -> None:
    assert of_a_connection(error)
    assert passes(error)
    assert type(explained(error, "cache:6379")) is Unavailable


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OutOfMemoryError("command not allowed when used memory > 'maxmemory'"), Full, "no memory left"),
        (ResponseError("MISCONF Redis is configured to save"), Full, "can't save to its disk"),
        (ResponseError("DB index is out of range"), WrongSetting, "no database of this number"),
        (MovedError("14243 10.0.0.1:6379"), WrongSetting, r"Write redis\+cluster://"),
        (ResponseError("unknown command 'SENTINEL', with"), WrongSetting, "is no Sentinel"),
        (ResponseError("unknown command 'GET', with"), WrongSetting, "If it is a Sentinel, write"),
        (not_a_cluster(ResponseError("no cluster support")), WrongSetting, "is no Redis Cluster"),
        (not_a_cluster(NoPermissionError("no permissions")), StorageError, "The user may not do this"),
        (caused(AuthenticationError("invalid password")), WrongSetting, "refuses the user or the password"),
        (caused(WrongSetting("The password can't be read")), WrongSetting, "^The password can't be read"),
        (
            MasterNotFoundError("No master found for 'm' : <Redis(…)> - AuthenticationError('no')"),
            WrongSetting,
            "The Sentinels of cache:6379 refuse the user or the password. Check sentinel_user",
        ),
    ],
)
def test_what_is_told_at_once(error: Exception, kind: type[StorageError], words: str) -> None:
    assert of_a_connection(error)
    assert not passes(error)
    with pytest.raises(kind, match=words) as caught:
        raise explained(error, "cache:6379")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("No master found for 'm'", "No Sentinel knows a primary that works: cache:6379. Check its name"),
        ("No master found for 'm' : <Redis(…)> - TimeoutError()", "No Sentinel of cache:6379 tells"),
    ],
)
def test_sentinels_that_tell_no_primary(said: str, words: str) -> None:
    error = MasterNotFoundError(said)
    assert passes(error)
    told = explained(error, "cache:6379")
    assert type(told) is Unavailable
    assert words in str(told)
    assert "Redis(" not in str(told)


def test_an_error_of_the_callers_own_is_none_of_the_connection() -> None:
    raised: list[Callable[[], Exception]] = [ValueError, KeyError, lambda: RuntimeError("other")]
    assert not any(of_a_connection(each()) for each in raised)
