"""The backend for asyncio: the same calls, to be awaited. Each event loop has connections of its own."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from filewallball.storage import forks
from filewallball.storage.backend import Facts, When
from filewallball.storage.errors import StorageError, Unavailable
from filewallball.storage.failures import ALL_IN_USE, ERRORS, NotSent, of_a_connection
from filewallball.storage.on_redis import async_connections, commands, connections
from filewallball.storage.patience import Patience, Tries
from filewallball.storage.steps import awaited
from filewallball.storage.urls import Address

T = TypeVar("T")
UNSENT_BYTES = 65_536
"""What asyncio keeps of a connection's data, and no writer waits."""


def _cancelled() -> int:
    """How often the running task was told to end.

    Before Python 3.12 `asyncio.wait_for`, by which redis-py sends, forgets it where the work is done at that
    moment (python/cpython#86296).
    """
    task = asyncio.current_task()
    return task.cancelling() if task else 0


async def _send(connection: Any, words: commands.Words) -> None:
    """As redis-py does, which makes a task and a timer for each command: a third of what a call takes."""
    writer = getattr(connection, "_writer", None)
    if writer is None:
        await connection.send_command(*words)
        return
    try:
        writer.writelines(connection.pack_command(*words))
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    if writer.transport.get_write_buffer_size() > UNSENT_BYTES:
        await connection.send_packed_command([])  # waits, with its limit of time, until most of it is sent


class _Loop:
    """One event loop's connections. `room`: as many tasks as there may be connections."""

    def __init__(self, address: Address) -> None:
        self.client: Any = async_connections.awaited(address)
        self.room = asyncio.Semaphore(address.max_connections)


class OnAsyncRedis:
    """Connects with the first use."""

    def __init__(self, address: Address, prefix: bytes = b"") -> None:
        self.address = address
        self.prefix = prefix
        self.patience = Patience(str(address), address.timeout, attempt=address.attempt_timeout)
        self._apart = address.kind == "cluster"
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = weakref.WeakKeyDictionary()
        self._last: tuple[asyncio.AbstractEventLoop, _Loop] | None = None
        forks.tell(self)

    def after_fork(self) -> None:
        self._loops, self._last = weakref.WeakKeyDictionary(), None
        self.patience.worked()

    @property
    def _own(self) -> _Loop:
        loop, last = asyncio.get_running_loop(), self._last
        if last is None or last[0] is not loop:  # another thread's loop may have been here
            found = self._loops.get(loop)
            if found is None:
                found = self._loops[loop] = _Loop(self.address)
            self._last = last = loop, found
        return last[1]

    async def one(self, *words: Any, once: bool = False) -> Any:
        """As in `backend`."""
        return await self._again(lambda: self._sent(words), once)

    async def many(self, lines: Sequence[commands.Words]) -> list[Any]:
        """As in `backend`."""
        return await self._again(lambda: self._sent_together(lines), once=False)

    async def call(self, function: Callable[[Any], Awaitable[T]]) -> T:
        """As in `backend`, with the client of redis.asyncio."""
        return await self._again(lambda: function(self._own.client), once=False)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _sent(self, words: commands.Words) -> Any:
        client = self._own.client
        if self._apart:
            return await client.execute_command(*words)
        pool = client.connection_pool
        try:
            connection = await pool.get_connection()
        except (*ERRORS, RuntimeError) as error:
            if not of_a_connection(error):
                raise
            raise NotSent from error
        try:
            await _send(connection, words)
            return await connection.read_response()
        finally:
            await pool.release(connection)

    async def _sent_together(self, lines: Sequence[commands.Words]) -> list[Any]:
        client = self._own.client
        pipe = client.pipeline(transaction=False) if not self._apart else client.pipeline()
        for words in lines:
            pipe.execute_command(*words)
        return await pipe.execute()

    async def _again(self, attempt: Callable[[], Awaitable[T]], once: bool) -> T:
        patience = self.patience
        probing = not patience.closed and patience.enter()
        tries: Tries | None = None
        room = self._own.room
        cancelled = _cancelled()
        while True:
            await self._entered(room)
            try:
                if not patience.closed and not probing:
                    probing = patience.enter()
                answer = await attempt()
            except (*ERRORS, NotSent, RuntimeError) as raised:
                if not of_a_connection(raised):
                    raise
                error = raised
            else:
                if patience.failing_since is not None or not patience.closed:
                    patience.worked()
                if _cancelled() > cancelled:
                    raise asyncio.CancelledError
                return answer
            finally:
                room.release()
            tries = tries or Tries(patience, once=once)
            await asyncio.sleep(tries.failed(error, probing=probing))
            probing = patience.enter()

    async def _entered(self, room: asyncio.Semaphore) -> None:
        if not room.locked():
            await room.acquire()
            return
        try:
            await asyncio.wait_for(room.acquire(), self.patience.total)
        except TimeoutError:
            raise Unavailable(ALL_IN_USE) from None

    async def get(self, key: bytes) -> bytes | None:
        return await self.one("GET", key)

    async def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return await awaited(commands.get_many(keys, apart=self._apart), self)

    async def set(self, key: bytes, value: bytes, ttl: float | None = None, *, when: When = "always") -> bool:
        return bool(await self.one(*commands.setting(key, value, ttl, when), once=when == "new"))

    async def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None:
        await awaited(commands.set_many(items, ttl), self)

    async def delete(self, keys: Sequence[bytes]) -> int:
        return await awaited(commands.delete(keys, apart=self._apart), self)

    async def ttl(self, key: bytes) -> float | None:
        return await awaited(commands.ttl(key), self)

    async def expire(self, key: bytes, ttl: float | None) -> bool:
        return await awaited(commands.expire(key, ttl), self)

    async def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        return await awaited(commands.add(key, amount, ttl), self)

    async def change(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        ttl: float | Literal["keep"] | None = "keep",
    ) -> bytes | None:
        return await awaited(commands.change(key, function, ttl), self)

    async def keys(self, prefix: bytes) -> list[bytes]:
        match = commands.pattern(prefix)

        async def scanned(client: Any) -> list[bytes]:
            return list({key async for key in client.scan_iter(match=match, count=1000)})

        return await self.call(scanned)

    async def clear(self, prefix: bytes) -> int:
        return await self.delete(await self.keys(prefix))

    def locks(self) -> Any:
        """As in `backend`."""
        from filewallball.storage.locks.on_redis_async import AsyncRedisLocks, sentinels_epoch

        limit = self.address.attempt_timeout
        if self.address.kind != "sentinel":
            return AsyncRedisLocks(self, attempt_timeout=limit)

        async def epoch() -> int:
            sentinels = self._own.client.connection_pool.sentinel_manager.sentinels
            return await sentinels_epoch(sentinels, self.address.master)

        return AsyncRedisLocks(self, replicas=1, epoch=epoch, attempt_timeout=limit)

    async def cleanup(self) -> int:
        """0: the server removes by itself what has expired."""
        return 0

    async def _info(self) -> Any:
        if self._apart:
            return await self.call(lambda client: client.info(target_nodes="primaries"))
        return await self.call(lambda client: client.info())

    async def facts(self) -> Facts:
        return commands.facts(await self._info(), apart=self._apart)

    async def check(self, *, fix: bool) -> list[str]:
        del fix
        return commands.wrong(await self._info(), apart=self._apart)

    async def backup(self, folder: Path) -> NoReturn:
        del folder
        raise StorageError("A storage on a server is not copied into a folder. Use `fwb redis backup`.")

    async def close(self) -> None:
        found, self._last = self._loops.pop(asyncio.get_running_loop(), None), None
        if found is None:
            return
        await found.client.aclose()
        if not self._apart:
            pool = found.client.connection_pool  # redis-py leaves one alone that it has not made itself
            await pool.disconnect()
            for sentinel in connections.sentinels(pool):
                await sentinel.aclose()
