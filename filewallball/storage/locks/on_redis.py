"""Locks on Redis or Valkey, for the threads and processes of any number of machines.

In the order of asking. A holder that dies loses its lock when the time to live is over. On a set with
Sentinels a lock counts once a replica has it, and no fail-over gives a token again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, TimeoutError

from filewallball.storage.errors import NotAcquired, StorageError
from filewallball.storage.locks import asking
from filewallball.storage.locks.asking import Attempt, Confirmed, Names, Position, Script, script

T = TypeVar("T")
_HISTORIES = 5


class Calls(Protocol):
    """How a server is reached."""

    def call(self, function: Callable[[Redis], T]) -> T:
        """`function` with the client of the primary, tried again over a fail-over.

        Raises Unavailable, or what the last try raised.
        """
        ...


def sentinels_epoch(sentinels: Sequence[Redis], master: str) -> int:
    """The greatest epoch of a primary that any of these Sentinels knows. Raises a RedisError."""
    found: list[Any] = []
    for sentinel in sentinels:
        with suppress(RedisError):
            found.append(cast(Any, sentinel).sentinel_master(master))
    return asking.highest(found)


class RedisHeld:
    """A lock that the caller has; of no child that forks."""

    __slots__ = ("_id", "_locks", "_names", "_process", "_until", "token")

    def __init__(self, locks: RedisLocks, attempt: Attempt, token: int) -> None:
        self.token = token
        self._locks = locks
        self._names = attempt.names
        self._id = attempt.id
        self._process = os.getpid()
        self._until = attempt.asked + attempt.ttl / 1000

    def extend(self, ttl: float) -> None:
        """From now on. Raises NotHeld, Unavailable."""
        start = time.monotonic()
        answer, _ = self._run("extend", [self._id, asking.milliseconds(ttl)])
        if answer != "mine":
            raise asking.lost(self._names.name, self.token)
        self._until = start + ttl

    def release(self) -> None:
        """Raises NotHeld if it was no longer the caller's, or Unavailable."""
        start = time.monotonic()
        answer, tries = self._run("release", [self._id, self._names.wake, asking.HEARD_MS])
        # of several tries the first may have released it, and only its answer got lost
        if answer != "mine" and (tries == 1 or start > self._until):
            raise asking.lost(self._names.name, self.token)

    def _run(self, name: str, arguments: list[Any]) -> tuple[str, int]:
        """What the script says, and after how many tries."""
        if self._process != os.getpid():
            raise asking.lost(self._names.name, self.token)
        found, tries = self._locks.run(name, self._names, arguments)
        return asking.text(found[0]), tries


class RedisLocks:
    """`replicas`: how many of them confirm a lock. `epoch`: asks the Sentinels, see sentinels_epoch.

    `attempt_timeout`: how long the clients wait for an answer, in seconds.
    """

    def __init__(
        self,
        calls: Calls,
        prefix: str = "",
        *,
        replicas: int = 0,
        epoch: Callable[[], int] | None = None,
        attempt_timeout: float = 0.5,
    ) -> None:
        self._calls = calls
        self._prefix = prefix
        self._epoch = epoch
        self._position = Position("unknown" if epoch else "")
        self._block = min(asking.BLOCK_SECONDS, attempt_timeout * 0.4)
        confirm = min(asking.CONFIRM_SECONDS, attempt_timeout * 0.5)
        self._confirmed: Confirmed = (replicas, int(confirm * 1000)) if replicas else None
        self._places = [None] * asking.BLOCKING  # pop and append are atomic

    def acquire(self, name: str, ttl: float, wait: float | None = None) -> RedisHeld:
        """`wait`: at most so many seconds; None: for ever; 0: not at all. Raises NotAcquired, Unavailable."""
        attempt = Attempt(Names(self._prefix, name), ttl, wait)
        try:
            while True:
                answer = self._ask(attempt)
                if (token := attempt.token(answer)) is not None:
                    return RedisHeld(self, attempt, token)
                self._pause(attempt)
        except BaseException as error:
            if attempt.waits or not isinstance(error, NotAcquired):
                with suppress(StorageError):
                    self.run("release", attempt.names, attempt.release())
            raise

    def _pause(self, attempt: Attempt) -> None:
        """Until it is woken, or it is time to ask again."""
        seconds = attempt.pause()
        try:
            place = self._places.pop()
        except IndexError:
            time.sleep(min(seconds, asking.POLL_SECONDS))
            return
        block = min(seconds, self._block)
        try:
            self._call(attempt.names.name, lambda client: cast(Any, client).blpop([attempt.wake], block))
        finally:
            self._places.append(place)

    def cleanup(self) -> int:
        """Nothing is left of locks that ran out: the server removes it."""
        return 0

    def held(self) -> list[str]:
        """The names that somebody holds."""

        def keys(client: Any) -> list[Any]:
            return list(client.scan_iter(match=Names.pattern(self._prefix), count=1000))

        found = self._call("*", keys)
        return sorted({Names.of_key(self._prefix, key) for key in found})

    def run(self, name: str, names: Names, arguments: list[Any]) -> tuple[list[Any], int]:
        """What a script answers, and after how many tries."""
        confirmed = self._confirmed if name != "release" else None
        tries = 0

        def work(client: Redis) -> list[Any]:
            nonlocal tries
            tries += 1
            return _run(client, script(name), names.keys, arguments, confirmed)

        return self._call(names.name, work), tries

    def _ask(self, attempt: Attempt) -> list[Any]:
        def ask(client: Redis) -> list[Any]:
            for _ in range(_HISTORIES):
                arguments = attempt.acquire(self._position)
                found = _run(client, script("acquire"), attempt.names.keys, arguments, self._confirmed)
                if asking.text(found[0]) != "history":
                    return found
                # first the history, then the epoch: it is of this history, or of a later one
                if self._epoch:
                    self._position = Position(asking.text(found[1]), self._epoch())
            raise TimeoutError("the primary changes again and again")

        return self._call(attempt.names.name, ask)

    def _call(self, name: str, function: Callable[[Redis], T]) -> T:
        try:
            return self._calls.call(function)
        except RedisError as error:
            raise asking.unavailable(name, error) from error


def _run(
    client: Any, which: Script, keys: list[str], arguments: list[Any], confirmed: Confirmed
) -> list[Any]:
    """One round trip; with replicas, WAIT goes over the same connection, which it counts for."""
    if confirmed is None:
        try:
            return client.evalsha(which.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return client.eval(which.text, len(keys), *keys, *arguments)
    for command in (("EVALSHA", which.sha), ("EVAL", which.text)):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command(*command, len(keys), *keys, *arguments)
        pipe.execute_command("WAIT", *confirmed)
        found = pipe.execute(raise_on_error=False)
        try:
            if not asking.unconfirmed(found, confirmed[0]):
                return found[0]
        except TimeoutError:  # it may be cut off: the next connection asks the Sentinels for the primary
            client.connection_pool.disconnect(inuse_connections=False)
            raise
    raise TimeoutError("the server forgets its scripts")
