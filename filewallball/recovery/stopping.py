"""A restore that is told to end cleans up on its way out."""

from __future__ import annotations

import signal
from types import FrameType

from filewallball.errors import UserError


class Stopped(UserError):
    """The Job was told to end: its deadline has passed, or its pod is being removed."""


def on_signals() -> None:
    """Raise Stopped at the first SIGTERM or SIGINT; what cleans up then is not interrupted in its turn."""
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    raise Stopped(
        f"Stopped by {signal.Signals(number).name} before its end.",
        "The Job's deadline has passed, or its pod was deleted. If it was the deadline, see above what was "
        "slow, and raise filewallball:backup.deadlineMinutes.",
    )
