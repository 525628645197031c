"""A client's patience with a full server: the guard makes room within two seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError
from redis.retry import Retry

from filewallball.guard.watch import FULL

T = TypeVar("T")
PATIENCE_SECONDS = 4.0
_PAUSE_SECONDS = 0.05


class WhileFull(Retry):
    """Tries again for `PATIENCE_SECONDS` where a server refuses a connection because it is full.

    Any other fault is raised at once.
    """

    def __init__(self) -> None:
        super().__init__(NoBackoff(), 0)

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return super().call_with_retry(do, fail, is_retryable, with_failure_count)
            except ConnectionError as error:
                if FULL not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE_SECONDS)
