"""Which epoch counts: that of the Sentinel that knows most, of the history that the server is in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import redis
from redis_lab import Server
from redis_locks import LONG, WAYS, Loop, Maker

from filewallball.storage.errors import Unavailable
from filewallball.storage.locks import asking, on_redis, on_redis_async


class Sentinel:
    """Tells an epoch, or can't be reached."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch

    def sentinel_master(self, _: str) -> dict[str, int]:
        if self.epoch is None:
            raise redis.ConnectionError("away")
        return {"config-epoch": self.epoch}


class AsyncSentinel(Sentinel):
    async def sentinel_master(self, name: str) -> dict[str, int]:  # type: ignore[override]
        return super().sentinel_master(name)


def epoch_of(way: str, *epochs: int | None) -> int:
    if way == "threads":
        sentinels: Any = [Sentinel(each) for each in epochs]
        return on_redis.sentinels_epoch(sentinels, "m")
    others: Any = [AsyncSentinel(each) for each in epochs]
    return asyncio.run(on_redis_async.sentinels_epoch(others, "m"))


@pytest.mark.parametrize("way", WAYS)
def test_the_greatest_epoch_counts(way: str) -> None:
    assert epoch_of(way, None, 4, 6, 5, None) == 6
    with pytest.raises(redis.TimeoutError, match="no Sentinel"):
        epoch_of(way, None, None)


def test_a_sentinel_whose_connection_uvloop_has_closed_is_away() -> None:
    class Closed(AsyncSentinel):
        async def sentinel_master(self, name: str) -> dict[str, int]:  # type: ignore[override]
            raise RuntimeError("unable to perform operation on <TCPTransport>; the handler is closed")

    others: Any = [Closed(None), AsyncSentinel(7)]
    assert asyncio.run(on_redis_async.sentinels_epoch(others, "m")) == 7

    class Wrong(AsyncSentinel):
        async def sentinel_master(self, name: str) -> dict[str, int]:  # type: ignore[override]
            raise RuntimeError("of the caller's own code")

    with pytest.raises(RuntimeError, match="own code"):
        asyncio.run(on_redis_async.sentinels_epoch([*others, Wrong(None)], "m"))


@pytest.mark.parametrize("way", WAYS)
def test_a_primary_that_changes_all_the_time_is_told(way: str, server: Server) -> None:
    loop = Loop()
    make = Maker(way, server, loop)

    def change() -> int:
        server.client().replicaof("127.0.0.1", 1)
        server.client().replicaof("NO", "ONE")
        return 1

    with pytest.raises(Unavailable, match="again and again"):
        make(epoch=change).acquire("a", LONG, 0)
    loop.close()


@pytest.mark.parametrize("way", WAYS)
def test_who_has_no_connection_to_be_woken_by_asks_again(
    way: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BLOCKING", 0)
    loop = Loop()
    make = Maker(way, server, loop)
    late = make().acquire("a", 0.1)
    assert make().acquire("a", LONG, 20).token > late.token
    loop.close()
    server.client().flushall()
