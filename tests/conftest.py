"""What holds for every test."""

from __future__ import annotations

import signal
import threading


def pytest_configure() -> None:
    """Let programs under test be interrupted: a runner in the background passes on an ignored Ctrl-C."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)
