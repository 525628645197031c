"""A job that is told to end cleans up on its way out, and says that it was told to."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from filewallball.errors import UserError


class Stopped(UserError):
    """The Job was told to end: its deadline has passed, or its pod is being removed."""


class Signalled(BaseException):
    """What a signal raises. No Exception: libraries would take it for a network's fault, and try again."""

    def __init__(self, error: Stopped) -> None:
        super().__init__(str(error))
        self.error = error


def on_signals(what: str, setting: str) -> None:
    """Raise Signalled at the first SIGTERM or SIGINT; what cleans up then is not interrupted in its turn.

    what: the end of a sentence, such as "before its end."; setting: which the Job's deadline comes from.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)
        raise Signalled(
            Stopped(
                f"Stopped by {signal.Signals(number).name} {what}",
                "The Job's deadline has passed, or its pod was deleted. If it was the deadline, see above "
                f"what was slow, and raise {setting}.",
            )
        )

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)


@contextmanager
def told() -> Generator[None]:
    """What a signal has raised inside of it leaves as Stopped, which is told as other errors are."""
    try:
        yield
    except Signalled as signalled:
        raise signalled.error from None
