"""Around a run that writes: the stack's lock, and an orderly end at Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import types
from collections.abc import Generator

from filewallball.engine.ownership.lock import Lock
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Result
from filewallball.errors import UserError
from filewallball.kube import Kube


@contextlib.contextmanager
def exclusively(
    kube: Kube, name: str, result: Result, reporter: Reporter, halt: threading.Event
) -> Generator[None]:
    """Hold the stack's lock; Ctrl-C ends the run in order, a second one at once."""

    def lost(why: str) -> None:
        result.failures.append(why)
        halt.set()

    lock = Lock(kube, name, lost)
    with _interruptible(result, halt):  # from before there is a lock, so that none is left behind
        lock.acquire()
        try:
            yield
        finally:
            try:
                lock.release()
            except UserError as error:
                reporter.line(f"    the lock could not be released, and ends by itself: {error.message}")


@contextlib.contextmanager
def _interruptible(result: Result, halt: threading.Event) -> Generator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _frame: types.FrameType | None) -> None:
        if halt.is_set():
            shown = b"\x1b[?25h" if os.isatty(2) else b""  # the cursor, which what tells of progress hides
            os.write(2, shown + b"\nleaving at once; the lock expires within 30 s\n")
            os._exit(128 + number)
        halt.set()
        result.interrupted = True
        result.failures.append("interrupted: the rest is left as it was; `fwb up` goes on from here")
        os.write(2, b"\nstopping after the requests under way; once more to leave at once\n")

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
