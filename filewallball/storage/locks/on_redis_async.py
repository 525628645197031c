"""The locks of on_redis.py for asyncio: the same locks, by the same rules."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError, TimeoutError

from filewallball.storage.errors import NotAcquired, StorageError
from filewallball.storage.failures import of_a_connection
from filewallball.storage.locks import asking
from filewallball.storage.locks.asking import Attempt, Confirmed, Names, Position, Script, script

T = TypeVar("T")
_HISTORIES = 5


class AsyncCalls(Protocol):
    """How a server is reached."""

    async def call(self, function: Callable[[Redis], Awaitable[T]]) -> T:
        """`function` with the client of the primary, tried again over a fail-over.

        Raises Unavailable, or what the last try raised.
        """
        ...


async def sentinels_epoch(sentinels: Sequence[Redis], master: str) -> int:
    """The greatest epoch of a primary that a Sentinel knows. Raises a RedisError if none answers."""
    asked = [cast(Any, sentinel).sentinel_master(master) for sentinel in sentinels]
    found: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not of_a_connection(each):
            raise each
    return asking.highest(each for each in found if not isinstance(each, BaseException))


class AsyncRedisHeld:
    """A lock that the caller has; of no child that forks."""

    __slots__ = ("_id", "_locks", "_names", "_process", "_until", "token")

    def __init__(self, locks: AsyncRedisLocks, attempt: Attempt, token: int) -> None:
        self.token = token
        self._locks = locks
        self._names = attempt.names
        self._id = attempt.id
        self._process = os.getpid()
        self._until = attempt.asked + attempt.ttl / 1000

    async def extend(self, ttl: float) -> None:
        """From now on. Raises NotHeld, Unavailable."""
        start = time.monotonic()
        answer, _ = await self._run("extend", [self._id, asking.milliseconds(ttl)])
        if answer != "mine":
            raise asking.lost(self._names.name, self.token)
        self._until = start + ttl

    async def release(self) -> None:
        """Raises NotHeld if it was no longer the caller's, or Unavailable."""
        start = time.monotonic()
        answer, tries = await self._run("release", [self._id, self._names.wake, asking.HEARD_MS])
        # of several tries the first may have released it, and only its answer got lost
        if answer != "mine" and (tries == 1 or start > self._until):
            raise asking.lost(self._names.name, self.token)

    async def _run(self, name: str, arguments: list[Any]) -> tuple[str, int]:
        """What the script says, and after how many tries."""
        if self._process != os.getpid():
            raise asking.lost(self._names.name, self.token)
        found, tries = await self._locks.run(name, self._names, arguments)
        return asking.text(found[0]), tries


class AsyncRedisLocks:
    """`replicas`: how many of them confirm a lock. `epoch`: asks the Sentinels, see sentinels_epoch.

    `attempt_timeout`: how long the clients wait for an answer, in seconds.
    """

    def __init__(
        self,
        calls: AsyncCalls,
        prefix: str = "",
        *,
        replicas: int = 0,
        epoch: Callable[[], Awaitable[int]] | None = None,
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

    async def acquire(self, name: str, ttl: float, wait: float | None = None) -> AsyncRedisHeld:
        """`wait`: at most so many seconds; None: for ever; 0: not at all. Raises NotAcquired, Unavailable."""
        attempt = Attempt(Names(self._prefix, name), ttl, wait)
        try:
            while True:
                answer = await self._ask(attempt)
                if (token := attempt.token(answer)) is not None:
                    return AsyncRedisHeld(self, attempt, token)
                await self._pause(attempt)
        except BaseException as error:  # a cancelled task, too, leaves the queue
            if attempt.waits or not isinstance(error, NotAcquired):
                with suppress(StorageError):
                    await self.run("release", attempt.names, attempt.release())
            raise

    async def release(self, held: AsyncRedisHeld) -> None:
        """As `held.release`."""
        await held.release()

    async def _pause(self, attempt: Attempt) -> None:
        """Until it is woken, or it is time to ask again."""
        seconds = attempt.pause()
        try:
            place = self._places.pop()
        except IndexError:
            await asyncio.sleep(min(seconds, asking.POLL_SECONDS))
            return
        block = min(seconds, self._block)
        try:
            await self._call(
                attempt.names.name, lambda client: cast(Any, client).blpop([attempt.wake], block)
            )
        finally:
            self._places.append(place)

    async def cleanup(self) -> int:
        """Nothing is left of locks that ran out: the server removes it."""
        return 0

    async def held(self) -> list[str]:
        """The names that somebody holds."""

        async def keys(client: Any) -> list[Any]:
            return [key async for key in client.scan_iter(match=Names.pattern(self._prefix), count=1000)]

        found = await self._call("*", keys)
        return sorted({Names.of_key(self._prefix, key) for key in found})

    async def run(self, name: str, names: Names, arguments: list[Any]) -> tuple[list[Any], int]:
        """What a script answers, and after how many tries."""
        confirmed = self._confirmed if name != "release" else None
        tries = 0

        async def work(client: Redis) -> list[Any]:
            nonlocal tries
            tries += 1
            return await _run(client, script(name), names.keys, arguments, confirmed)

        return await self._call(names.name, work), tries

    async def _ask(self, attempt: Attempt) -> list[Any]:
        async def ask(client: Redis) -> list[Any]:
            for _ in range(_HISTORIES):
                arguments = attempt.acquire(self._position)
                found = await _run(client, script("acquire"), attempt.names.keys, arguments, self._confirmed)
                if asking.text(found[0]) != "history":
                    return found
                # first the history, then the epoch: it is of this history, or of a later one
                if self._epoch:
                    self._position = Position(asking.text(found[1]), await self._epoch())
            raise TimeoutError("the primary changes again and again")

        return await self._call(attempt.names.name, ask)

    async def _call(self, name: str, function: Callable[[Redis], Awaitable[T]]) -> T:
        try:
            return await self._calls.call(function)
        except RedisError as error:
            raise asking.unavailable(name, error) from error


async def _run(
    client: Any, which: Script, keys: list[str], arguments: list[Any], confirmed: Confirmed
) -> list[Any]:
    """One round trip; with replicas, WAIT goes over the same connection, which it counts for."""
    if confirmed is None:
        try:
            return await client.evalsha(which.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(which.text, len(keys), *keys, *arguments)
    for command in (("EVALSHA", which.sha), ("EVAL", which.text)):
        pipe = client.pipeline(transaction=False)
        pipe.execute_command(*command, len(keys), *keys, *arguments)
        pipe.execute_command("WAIT", *confirmed)
        found = await pipe.execute(raise_on_error=False)
        try:
            if not asking.unconfirmed(found, confirmed[0]):
                return found[0]
        except TimeoutError:  # it may be cut off: the next connection asks the Sentinels for the primary
            await client.connection_pool.disconnect(inuse_connections=False)
            raise
    raise TimeoutError("the server forgets its scripts")
