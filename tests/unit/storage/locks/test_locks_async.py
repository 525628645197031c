"""Locks in a folder for asyncio."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from lock_holders import LONG, child, holds, waiting

from filewallball.storage import AsyncStorage
from filewallball.storage.errors import NotAcquired, NotHeld
from filewallball.storage.locks.on_disk import DiskLocks
from filewallball.storage.locks.on_disk_async import AsyncDiskLocks


async def queued(locks: DiskLocks, count: int) -> None:
    await asyncio.to_thread(waiting, locks, "a", count)


async def asked(locks: AsyncDiskLocks, order: list[int], number: int) -> None:
    held = await locks.acquire("a", LONG)
    order.append(number)
    await held.release()


def test_tasks_and_threads_in_the_order_of_asking(folder: Path, locks: DiskLocks) -> None:
    async def work() -> list[int]:
        ours = AsyncDiskLocks(DiskLocks(folder))
        held, order = locks.acquire("a", LONG), list[int]()
        tasks: list[asyncio.Task[None]] = []
        for number in range(100):  # more than there would be threads
            tasks.append(asyncio.create_task(asked(ours, order, number)))
            await asyncio.sleep(0)
        await queued(locks, 100)
        held.release()
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(work()) == list(range(100))


def test_refused_lost_extended_and_cleaned(folder: Path, locks: DiskLocks) -> None:
    async def work() -> None:
        ours = AsyncDiskLocks(DiskLocks(folder))
        held = await ours.acquire("a", LONG)
        for wait in (0, 0.01):
            with pytest.raises(NotAcquired):
                await ours.acquire("a", LONG, wait)
        await held.extend(LONG)
        assert await ours.held() == ["a"]
        await held.release()
        late = await ours.acquire("a", 0.02)
        assert (await ours.acquire("a", 0.001, 10)).token > late.token
        with pytest.raises(NotHeld):
            await late.release()
        await asyncio.sleep(0.01)
        assert await ours.cleanup() == 1
        await ours.close()

    asyncio.run(work())


def test_a_cancelled_task_leaves_the_queue(folder: Path, locks: DiskLocks) -> None:
    async def work() -> None:
        held = locks.acquire("a", LONG)
        task = asyncio.create_task(AsyncDiskLocks(DiskLocks(folder)).acquire("a", LONG))
        await queued(locks, 1)
        task.cancel()
        await asyncio.wait([task])
        await queued(locks, 0)
        held.release()
        locks.acquire("a", LONG, 0)

    asyncio.run(work())


def test_a_storage_lets_any_number_of_tasks_wait(folder: Path) -> None:
    """Its threads would all be waiting, and none be left to release what they wait for."""

    async def work() -> None:
        storage = AsyncStorage.from_url(f"file://{folder}")

        async def take() -> int:
            async with storage.lock("a", ttl=LONG) as token:
                return token

        async with storage.lock("a", ttl=LONG):
            tasks = [asyncio.create_task(take()) for _ in range(70)]
            await queued(DiskLocks(folder / "locks"), 70)
        async with asyncio.timeout(60):
            assert len(set(await asyncio.gather(*tasks))) == 70
        await storage.close()

    asyncio.run(work())


def test_the_death_of_a_holder_is_seen(folder: Path, locks: DiskLocks) -> None:
    with child(holds(folder, "a")) as pid:

        async def work() -> None:
            task = asyncio.create_task(AsyncDiskLocks(DiskLocks(folder)).acquire("a", LONG, 30))
            await queued(locks, 1)
            os.kill(pid, signal.SIGKILL)
            assert (await task).token

        asyncio.run(work())
