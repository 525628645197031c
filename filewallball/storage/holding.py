"""A lock inside `with`: however the block ends, the lock is given back."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from filewallball.storage.backend import Held
from filewallball.storage.errors import NotHeld, StorageError


@contextmanager
def held_lock(held: Held) -> Generator[int]:
    """Give the token, then the lock back. Raises NotHeld if its time was over, unless the block raised."""
    try:
        yield held.token
    except BaseException:
        with suppress(NotHeld):
            held.release()
        raise
    try:
        held.release()
    except StorageError:
        raise
    except BaseException:  # of a signal: it may not be released yet
        with suppress(StorageError):
            held.release()
        raise


@asynccontextmanager
async def async_held_lock(held: Any) -> AsyncGenerator[int]:
    """The same for asyncio, where a task can be cancelled while it gives the lock back."""
    try:
        yield held.token
    except BaseException:
        with suppress(NotHeld):
            await _released(held)
        raise
    await _released(held)


async def _released(held: Any) -> None:
    import asyncio

    try:
        await held.release()
    except asyncio.CancelledError:  # it may not be released yet
        with suppress(StorageError):
            await held.release()
        raise
