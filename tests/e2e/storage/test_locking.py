"""Locks by a storage: the same on every kind of store, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from filewallball.storage import (
    AsyncStorage,
    DistributedLockManager,
    NotAcquired,
    NotHeld,
    Storage,
    WrongSetting,
)
from tests.e2e.redis_lab import Server
from tests.e2e.storage.stores import Watched


@pytest.fixture(params=["server", "folder", pytest.param("set", marks=pytest.mark.nightly)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return f"file://{tmp_path}/store"
    if request.param == "set":
        watched: Watched = request.getfixturevalue("watched")
        return watched.url
    server: Server = request.getfixturevalue("server")
    return server.url


def test_one_holder_at_a_time_with_growing_tokens(url: str) -> None:
    storage = Storage.from_url(url, "shop:")
    inside, most, tokens = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(10):
            with storage.lock("till", ttl=10, wait=20) as token:
                inside += 1
                most = max(most, inside)
                tokens.append(token)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, len(tokens)) == (1, 40)
    assert tokens == sorted(set(tokens))
    storage.close()


def test_who_does_not_get_it_is_told(url: str) -> None:
    with Storage.from_url(url, "shop:") as storage, Storage.from_url(url, "shop:") as other:
        with storage.lock("till"), pytest.raises(NotAcquired), other.lock("till", wait=0):
            pass
        with other.lock("till", wait=0):
            pass
        with storage.lock("till"), other.lock("another", wait=0):
            pass


def test_whoever_is_too_slow_is_told_at_the_end(url: str) -> None:
    with Storage.from_url(url) as storage, Storage.from_url(url) as other:
        slow = storage.lock("slow", ttl=0.05)
        first = slow.__enter__()
        with other.lock("slow", wait=5) as second:
            assert second > first
        with pytest.raises(NotHeld):
            slow.__exit__(None, None, None)


def test_an_error_of_the_block_is_not_hidden(url: str) -> None:
    with Storage.from_url(url) as storage:
        slow = storage.lock("own", ttl=0.01)
        slow.__enter__()
        time.sleep(0.05)
        error = ZeroDivisionError("its own")
        assert not slow.__exit__(type(error), error, None)
        with storage.lock("own", wait=5):
            pass


def test_the_same_for_asyncio(url: str) -> None:
    async def main() -> None:
        async with AsyncStorage.from_url(url, "shop:") as storage:
            inside, most, tokens = 0, 0, []

            async def work() -> None:
                nonlocal inside, most
                async with storage.lock("till", ttl=10, wait=20) as token:
                    inside += 1
                    most = max(most, inside)
                    tokens.append(token)
                    await asyncio.sleep(0)
                    inside -= 1

            await asyncio.gather(*(work() for _ in range(10)))
            assert (most, len(set(tokens))) == (1, 10)
            async with storage.lock("till"):
                with pytest.raises(NotAcquired):
                    async with storage.lock("till", wait=0):
                        pass
                waiting = asyncio.create_task(storage.lock("till").__aenter__())
                await asyncio.sleep(0.1)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            async with storage.lock("till", wait=10):
                pass
            with pytest.raises(ZeroDivisionError):
                async with storage.lock("till", wait=10):
                    _ = 1 / 0
            assert await storage.cleanup_expired_locks() >= 0

    asyncio.run(main())


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), "5", True])
def test_a_time_that_can_not_be_is_refused(server: Server, ttl: float) -> None:
    with (
        Storage.from_url(server.url) as storage,
        pytest.raises(WrongSetting, match="ttl is"),
        storage.lock("a", ttl),
    ):
        pass


def test_the_manager_of_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCK_DIR", str(tmp_path / "locks"))
    manager, other = DistributedLockManager(), DistributedLockManager()
    first = manager.acquire_lock("job", ttl=60)
    assert first is not None
    assert manager.is_locked("job")
    assert manager.list_locks() == ["job"]
    assert other.acquire_lock("job", wait=0) is None
    assert other.release_lock("job") is False, "who does not hold it can't give it back"
    assert other.extend_lock("job") is False
    assert manager.extend_lock("job", 120) is True
    assert manager.release_lock("job") is True
    assert manager.release_lock("job") is False
    second = other.acquire_lock("job", wait=0)
    assert second is not None
    assert second > first
    other.release_lock("job")
    with manager.lock("job", wait=0) as third:
        assert third > second
    assert manager.cleanup_expired_locks() >= 0


def test_the_managers_lock_runs_out(server: Server) -> None:
    manager, other = DistributedLockManager(url=server.url), DistributedLockManager(url=server.url)
    assert manager.acquire_lock("job", ttl=0.05)
    assert other.acquire_lock("job", wait=5)
    assert manager.extend_lock("job") is False
    assert manager.acquire_lock("job", ttl=0.05, wait=0) is None
    assert other.release_lock("job") is True
    assert manager.acquire_lock("job", ttl=0.05, wait=0)
    assert other.acquire_lock("job", wait=5)
    assert manager.release_lock("job") is False
    other.release_lock("job")
