"""The backend for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeVar

from filewallball.storage import forks
from filewallball.storage.backend import Facts, Locks, When
from filewallball.storage.errors import StorageError
from filewallball.storage.failures import ERRORS, NotSent
from filewallball.storage.on_redis import commands, connections
from filewallball.storage.patience import Patience, Tries
from filewallball.storage.steps import done
from filewallball.storage.urls import Address

T = TypeVar("T")


class OnRedis:
    """Implements Backend. Connects with the first use."""

    def __init__(self, address: Address, prefix: bytes = b"") -> None:
        self.address = address
        self.prefix = prefix
        self.patience = Patience(str(address), address.timeout, attempt=address.attempt_timeout)
        self._apart = address.kind == "cluster"
        self._client: Any = None
        self._pool: Any = None
        forks.tell(self)

    def after_fork(self) -> None:
        connections.orphaned(self._client)
        self._client = self._pool = None
        self.patience.worked()

    @property
    def client(self) -> Any:
        """The redis-py client beneath: Redis or RedisCluster. It tries once, with short timeouts."""
        if self._client is None:
            client = connections.blocking(self.address)
            self._pool = None if self._apart else client.connection_pool
            self._client = client
        return self._client

    def one(self, *words: Any, once: bool = False) -> Any:
        """The answer to one command, tried again while a fail-over lasts; `once`: it must not be done
        twice."""
        patience = self.patience
        if patience.closed:
            try:
                answer = self._sent(words)
            except (*ERRORS, NotSent) as error:
                return self._again(lambda: self._sent(words), once, error)
            if patience.failing_since is not None:
                patience.worked()
            return answer
        return self._again(lambda: self._sent(words), once)

    def many(self, lines: Sequence[commands.Words]) -> list[Any]:
        """The answers to commands that may be done twice, in one round trip to each server."""
        return self._again(lambda: self._sent_together(lines), once=False)

    def call(self, function: Callable[[Any], T]) -> T:
        """What `function` makes of the redis-py client, tried again while a fail-over lasts."""
        return self._again(lambda: function(self.client), once=False)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _sent(self, words: commands.Words) -> Any:
        try:
            if self._client is None:
                _ = self.client
            pool = self._pool
            connection = pool.get_connection() if pool else None
        except ERRORS as error:
            raise NotSent from error
        if connection is None:
            return self.client.execute_command(*words)
        try:
            connection.send_command(*words)
            return connection.read_response()
        finally:
            pool.release(connection)

    def _sent_together(self, lines: Sequence[commands.Words]) -> list[Any]:
        pipe = self.client.pipeline(transaction=False) if not self._apart else self.client.pipeline()
        for words in lines:
            pipe.execute_command(*words)
        return pipe.execute()

    def _again(self, attempt: Callable[[], T], once: bool, error: BaseException | None = None) -> T:
        patience = self.patience
        probing = error is None and patience.enter()
        tries: Tries | None = None
        while True:
            if error is None:
                try:
                    answer = attempt()
                except (*ERRORS, NotSent) as raised:
                    error = raised
                else:
                    if patience.failing_since is not None or not patience.closed:
                        patience.worked()
                    return answer
            tries = tries or Tries(patience, once=once)
            self.sleep(tries.failed(error, probing=probing))
            probing, error = patience.enter(), None

    def get(self, key: bytes) -> bytes | None:
        return self.one("GET", key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return done(commands.get_many(keys, apart=self._apart), self)

    def set(self, key: bytes, value: bytes, ttl: float | None = None, *, when: When = "always") -> bool:
        return bool(self.one(*commands.setting(key, value, ttl, when), once=when == "new"))

    def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None:
        done(commands.set_many(items, ttl), self)

    def delete(self, keys: Sequence[bytes]) -> int:
        return done(commands.delete(keys, apart=self._apart), self)

    def ttl(self, key: bytes) -> float | None:
        return done(commands.ttl(key), self)

    def expire(self, key: bytes, ttl: float | None) -> bool:
        return done(commands.expire(key, ttl), self)

    def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        return done(commands.add(key, amount, ttl), self)

    def change(
        self,
        key: bytes,
        function: Callable[[bytes | None], bytes | None],
        *,
        ttl: float | Literal["keep"] | None = "keep",
    ) -> bytes | None:
        return done(commands.change(key, function, ttl), self)

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """All of them are read before the first one is given, anew if the server changes meanwhile."""
        match = commands.pattern(prefix)
        return iter(self.call(lambda client: set(client.scan_iter(match=match, count=1000))))

    def clear(self, prefix: bytes) -> int:
        return self.delete(list(self.keys(prefix)))

    def locks(self) -> Locks:
        """With Sentinels a lock counts once a replica has it."""
        from filewallball.storage.locks.on_redis import RedisLocks, sentinels_epoch

        limit = self.address.attempt_timeout
        if self.address.kind != "sentinel":
            return RedisLocks(self, attempt_timeout=limit)

        def epoch() -> int:
            return sentinels_epoch(
                self.client.connection_pool.sentinel_manager.sentinels, self.address.master
            )

        return RedisLocks(self, replicas=1, epoch=epoch, attempt_timeout=limit)

    def cleanup(self) -> int:
        """0: the server removes by itself what has expired."""
        return 0

    def _info(self) -> Any:
        return self.call(
            lambda client: client.info(target_nodes="primaries") if self._apart else client.info()
        )

    def facts(self) -> Facts:
        return commands.facts(self._info(), apart=self._apart)

    def check(self, *, fix: bool) -> list[str]:
        del fix  # the server's own troubles can't be mended from here
        return commands.wrong(self._info(), apart=self._apart)

    def backup(self, folder: Path) -> NoReturn:
        del folder
        raise StorageError("A storage on a server is not copied into a folder. Use `fwb redis backup`.")

    def close(self) -> None:
        client, pool, self._client, self._pool = self._client, self._pool, None, None
        if client is not None:
            client.close()
        if pool is not None:  # redis-py leaves one alone that it has not made itself
            pool.disconnect(inuse_connections=False)
            for sentinel in connections.sentinels(pool):
                sentinel.close()
