"""What is slow or gone: the breaker, the bounded threads, the throttle of log-ins."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from filewallball.app.breaker import PROBE_SECONDS, Breaker
from filewallball.app.errors import TooMany, Unavailable
from filewallball.app.files import Files
from filewallball.app.threads import Threads
from filewallball.app.throttle import ADDRESS, PAIR, WINDOW_SECONDS, Throttle, network


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class CacheStub:
    """Counts in memory, or answers as the cache does that is gone."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone
        self.counts: dict[str, int] = {}

    async def count(self, key: str, _ttl: float, amount: int = 1) -> int | None:
        if self.gone:
            return None
        self.counts[key] = self.counts.get(key, 0) + amount
        return self.counts[key]

    async def drop(self, *keys: str) -> None:
        for key in keys:
            self.counts.pop(key, None)


def test_a_breaker_lets_one_try_at_a_time() -> None:
    clock = Clock()
    breaker = Breaker(1.0, clock)
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()
    clock.now += 1.1
    assert breaker.lets_through()
    assert not breaker.lets_through(), "the second one has to wait for the first"
    breaker.succeeded()
    assert breaker.lets_through()
    assert breaker.lets_through()


def test_a_try_that_never_ends_does_not_block_for_ever() -> None:
    clock = Clock()
    breaker = Breaker(1.0, clock)
    breaker.failed()
    clock.now += 1.1
    assert breaker.lets_through()
    clock.now += PROBE_SECONDS + 0.1
    assert breaker.lets_through()


def test_a_caller_who_finds_all_threads_at_work_is_told() -> None:
    async def run() -> None:
        threads, gate = Threads("work", 1, 0.05), threading.Event()
        first = asyncio.create_task(threads.run(gate.wait))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await threads.run(lambda: None)
        gate.set()
        assert await first
        assert await threads.run(lambda: 7) == 7
        threads.close()

    asyncio.run(run())


def test_a_caller_who_leaves_frees_no_thread_that_works_on() -> None:
    async def run() -> None:
        threads, gate = Threads("work", 1, 0.05), threading.Event()
        first = asyncio.create_task(threads.run(gate.wait))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(Unavailable):
            await threads.run(lambda: None)
        gate.set()
        threads.close()

    asyncio.run(run())


@pytest.mark.parametrize("gone", [False, True], ids=["cache", "memory"])
def test_guessing_is_slowed_down_and_a_good_log_in_forgets(gone: bool) -> None:
    async def run() -> None:
        throttle: Any = Throttle(CacheStub(gone=gone))  # type: ignore[arg-type]
        for _ in range(PAIR):
            await throttle.attempt("a@x.test", "192.0.2.1")
        with pytest.raises(TooMany) as error:
            await throttle.attempt("a@x.test", "192.0.2.1")
        assert error.value.retry_after == WINDOW_SECONDS
        await throttle.attempt("a@x.test", "192.0.2.2")  # its owner, elsewhere
        await throttle.attempt("b@x.test", "192.0.2.1")
        await throttle.succeeded("a@x.test", "192.0.2.1")
        await throttle.attempt("a@x.test", "192.0.2.1")

    asyncio.run(run())


def test_one_address_may_not_try_many_accounts() -> None:
    async def run() -> None:
        throttle: Any = Throttle(CacheStub())  # type: ignore[arg-type]
        for number in range(ADDRESS):
            await throttle.attempt(f"{number}@x.test", "192.0.2.1")
        with pytest.raises(TooMany):
            await throttle.attempt("last@x.test", "192.0.2.1")

    asyncio.run(run())


def test_the_memory_forgets_after_its_window() -> None:
    async def run() -> None:
        clock = Clock()
        throttle: Any = Throttle(CacheStub(gone=True), clock)  # type: ignore[arg-type]
        for _ in range(PAIR):
            await throttle.attempt("a@x.test", "192.0.2.1")
        clock.now += WINDOW_SECONDS + 1
        await throttle.attempt("a@x.test", "192.0.2.1")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("unix:", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_counts_as_one_place(address: str, place: str) -> None:
    assert network(address) == place


class SlowOnce:
    """A cache that doesn't answer in time, and does the next time."""

    def __init__(self, kept: dict[str, Any] | None) -> None:
        self._answers = [None, kept]

    async def get(self, _: str) -> dict[str, Any] | None:
        return self._answers.pop(0)


class NoDatabase:
    async def run(self, _: Any) -> Any:
        raise Unavailable("The database can't be reached.")


@pytest.mark.parametrize("kept", [{"shared": True, "size": 6}, None])
def test_a_cache_that_was_too_slow_is_asked_again_where_the_database_is_gone(
    kept: dict[str, Any] | None,
) -> None:
    away: Any = NoDatabase()
    cache: Any = SlowOnce(kept)
    store: Any = None
    found = Files(away, cache, store).see("8f14e45f-ceea-467f-a8f5-1f3c0b7a2c11", None)
    if kept:
        assert asyncio.run(found) == kept
        return
    with pytest.raises(Unavailable):
        asyncio.run(found)
