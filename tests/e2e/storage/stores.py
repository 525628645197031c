"""Stores under test, each with a clock that the test moves."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filewallball.storage import AsyncStorage, Storage
from filewallball.storage.on_disk import OnDisk
from filewallball.storage.threads import InThreads
from tests.e2e.redis_lab import MASTER, Server

PREFIX = "app:"
LATER = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then
    redis.call('PEXPIRE', key, math.max(0, left - ARGV[1]))
  end
end
"""


@dataclass
class Watched:
    """A primary, first, its replicas, and the Sentinels that watch them."""

    servers: list[Server]
    sentinels: list[Server]

    @property
    def url(self) -> str:
        return f"sentinel://{','.join(each.address for each in self.sentinels)}/{MASTER}"


class Awaited:
    """An AsyncStorage whose calls are awaited here, one after the other."""

    def __init__(self, storage: AsyncStorage) -> None:
        self.storage = storage
        self.loop = asyncio.new_event_loop()
        self._values = storage._values

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *given, **named: self.loop.run_until_complete(
            getattr(self.storage, name)(*given, **named)
        )

    def close(self) -> None:
        self.loop.run_until_complete(self.storage.close())
        self.loop.close()


class Store:
    """`storage` and a way to let time go by."""

    def __init__(self, storage: Storage | AsyncStorage) -> None:
        self.storage: Any = Awaited(storage) if isinstance(storage, AsyncStorage) else storage
        self.later = 0.0
        storage._values.now = self.now

    def now(self) -> float:
        return time.time() + self.later

    def let_pass(self, seconds: float) -> None:
        self.later += seconds

    def close(self) -> None:
        self.storage.close()


class OnServers(Store):
    """On Redis: the times to live of all keys are shortened. `clients` of all primaries."""

    def __init__(self, storage: Storage | AsyncStorage, clients: list[Any]) -> None:
        super().__init__(storage)
        self.clients = clients
        for each in clients:
            each.flushall()

    def let_pass(self, seconds: float) -> None:
        super().let_pass(seconds)
        for each in self.clients:
            each.eval(LATER, 0, round(seconds * 1000))


class InFolder(Store):
    """On a disk, whose own clock is moved."""

    def __init__(self, folder: Path, *, asynchronous: bool = False) -> None:
        self.folder = folder
        self.later = 0.0
        backend = OnDisk(folder, 1 << 24, clock=self.now)
        super().__init__(
            AsyncStorage(InThreads(backend), PREFIX) if asynchronous else Storage(backend, PREFIX)
        )

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.folder)


def made(url: str, *, asynchronous: bool, **options: Any) -> Storage | AsyncStorage:
    return (AsyncStorage if asynchronous else Storage).from_url(url, PREFIX, **options)
