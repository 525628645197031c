"""Cleaning up on a schedule: what fails now is tried again next time, and said in the log."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from filewallball.storage.errors import StorageError

log = logging.getLogger("filewallball.storage")
FAILED = "Cleaning up failed, and is tried again later: %s"


def attempt(clean: Callable[[], object]) -> None:
    try:
        clean()
    except StorageError as error:
        log.warning(FAILED, error)


async def awaited_attempt(clean: Callable[[], Awaitable[object]]) -> None:
    try:
        await clean()
    except StorageError as error:
        log.warning(FAILED, error)
