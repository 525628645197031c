"""Doing something for many items, some at a time, until the first error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from filewallball.stability.keys.patience import Stopped

_MOST = 16
Item = TypeVar("Item")


def each(some: Sequence[Item], work: Callable[[Item], None], workers: int, stop: threading.Event) -> None:
    """Raises the first error; `stop` is set then, which `work` should look at."""
    with ThreadPoolExecutor(min(_MOST, workers), "fwb-keys") as pool:
        futures = [pool.submit(work, item) for item in some]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = first_error(futures)
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        if failed:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise failed


def first_error(futures: Sequence[Future[Any]]) -> BaseException | None:
    """Why it failed: of those that were stopped since another had failed, none is the reason."""
    found = [why for one in futures if one.done() and not one.cancelled() and (why := one.exception())]
    return min(found, key=lambda why: isinstance(why, Stopped), default=None)
