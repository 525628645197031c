"""What an error of redis-py means: does it pass, may the command have been done, what to tell."""

from __future__ import annotations

from redis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    ConnectionError,
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

from filewallball.storage.errors import Full, StorageError, Unavailable, WrongSetting, WrongValue

_PASSING = (
    "NOREPLICAS",
    "MASTERDOWN",
    "READONLY",
    "LOADING",
    "UNBLOCKED",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY ",
)
"""How answers begin; redis-py has errors of their own for some, and then leaves out the beginning."""
_GONE = (ConnectionError, TimeoutError, ReadOnlyError, ClusterDownError, TryAgainError, OSError)
ALL_IN_USE = "All connections are in use. Raise max_connections in the address."
DEMOTED = "The previous master is now a slave"
"""What redis-py's connections of Sentinels raise in place of READONLY."""


CLOSED = "the handler is closed"
"""How uvloop's RuntimeError ends when one writes to a connection that the server has closed."""


NO_CLUSTER = "Cluster mode is not enabled on this node"
"""What redis-py raises where a server alone is taken for a cluster."""
REFUSED = "AuthenticationError"
"""What redis-py tells of Sentinels that refused the password."""
ERRORS = (RedisError, RedisClusterException, OSError)
"""What redis-py raises; the second one is no RedisError."""


class NotSent(Exception):
    """Around the error that came before the command was sent; `__cause__` has it."""


def of_a_connection(error: BaseException) -> bool:
    """Whether it came from the server or from the way to it, and not from the caller's own code."""
    if isinstance(error, RuntimeError):
        return str(error).endswith(CLOSED)
    return isinstance(error, (*ERRORS, NotSent))


def beneath(error: BaseException) -> BaseException:
    """Why a cluster can't be connected: what its nodes said."""
    while isinstance(error, RedisClusterException) and error.__cause__ is not None:
        error = error.__cause__
    if str(error) == NO_CLUSTER and isinstance(error.__context__, NoPermissionError):
        return error.__context__
    return error


def passes(error: BaseException) -> bool:
    """Whether a fail-over, a restart or a crowd explains the error, so that trying again helps."""
    error = beneath(error)
    if isinstance(error, AuthenticationError):  # a ConnectionError to redis-py
        return False
    said = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in said or said == NO_CLUSTER:
        return False
    if _no_primary_is_known(error):
        return REFUSED not in said
    if isinstance(error, _GONE):
        return True
    if isinstance(error, RuntimeError):
        return of_a_connection(error)
    if isinstance(error, RedisClusterException):  # no node of the cluster answers, or slots have no server
        return True
    return isinstance(error, ResponseError) and _said(error).startswith(_PASSING)


def refused(error: BaseException) -> bool:
    """Whether it is certain that the server has not done the command."""
    if isinstance(error, ResponseError | MaxConnectionsError | ReadOnlyError):
        return True
    return isinstance(error, ConnectionError) and str(error) == DEMOTED


def explained(error: BaseException, where: str) -> StorageError:
    """What to raise for an error that doesn't pass, or has lasted too long."""
    error = beneath(error)
    if isinstance(error, StorageError):
        return error
    if _no_primary_is_known(error):
        return _no_primary(str(error), where)
    said = _said(error)
    if wrong := _wrong_address(error, said, where):
        return wrong
    if isinstance(error, AuthenticationError):
        return WrongSetting(f"{where} refuses the user or the password ({said}). Check both.")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return WrongSetting(f"The certificate of {where} is not to be trusted ({said}). Check ca_file.")
    if isinstance(error, NoPermissionError):
        return StorageError(f"{where}: The user may not do this ({said}). Use a user with more rights.")
    if said.startswith(("WRONGTYPE", "value is not an integer", "increment or decrement")):
        return WrongValue(
            f"The stored value is of another kind than the call needs ({said}). Use another key."
        )
    if isinstance(error, OutOfMemoryError) or said.startswith("OOM"):
        return Full(f"{where} has no memory left ({said}). Delete keys, or raise its limit.")
    if said.startswith("MISCONF"):
        return Full(f"{where} can't save to its disk, so it takes no writes ({said}). Look at its disk.")
    if isinstance(error, MaxConnectionsError):
        return Unavailable(ALL_IN_USE)
    if passes(error):
        return Unavailable(f"{where} can't be reached: {said}. Try again later.")
    return StorageError(f"{where} answered: {said}")


def _no_primary_is_known(error: BaseException) -> bool:
    return type(error).__name__ == "MasterNotFoundError"  # there are two, one for asyncio


def _no_primary(said: str, where: str) -> StorageError:
    """redis-py names the Sentinels by their connections' settings, which tell nobody anything."""
    if REFUSED in said:
        return WrongSetting(
            f"The Sentinels of {where} refuse the user or the password. "
            "Check sentinel_user and sentinel_password."
        )
    if " : " in said:
        return Unavailable(f"No Sentinel of {where} tells the primary. Look at the Sentinels, or try later.")
    return Unavailable(
        f"No Sentinel knows a primary that works: {where}. Check its name, or try again later."
    )


def _wrong_address(error: BaseException, said: str, where: str) -> StorageError | None:
    """If the server is of another kind than the address says."""
    if said == NO_CLUSTER:
        return WrongSetting(f"{where} is no Redis Cluster. Write redis:// in place of redis+cluster://.")
    if isinstance(error, MovedError):
        return WrongSetting(
            f"{where} is part of a Redis Cluster. Write redis+cluster:// in place of redis://."
        )
    if said.startswith("unknown command 'SENTINEL'"):
        return WrongSetting(f"{where} is no Sentinel. Write the Sentinels' ports, 26379 as a rule.")
    if said.startswith("unknown command"):
        return WrongSetting(
            f"{where} doesn't know a command that is needed ({said}). If it is a Sentinel, write "
            "sentinel://host:26379/name."
        )
    if said.startswith("DB index is out of range"):
        return WrongSetting(
            f"{where} has no database of this number ({said}). Write a lower one, such as /0."
        )
    return None


def _said(error: BaseException) -> str:
    # of a pipeline: "Command # 1 (SET …) of pipeline caused error: NOREPLICAS …"; of a script: "… script: …"
    text = str(error).rpartition(" of pipeline caused error: ")[2]
    return (text or type(error).__name__).removeprefix("ERR ").rstrip(". ")
