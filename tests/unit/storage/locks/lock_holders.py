"""Processes and threads that hold locks, or wait for them."""

from __future__ import annotations

import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filewallball.storage.locks.on_disk import DiskLocks

LONG = 600.0
"""A time to live that no test waits for, in seconds."""


@contextmanager
def child(work: Callable[[Callable[[], None]], None]) -> Iterator[int]:
    """A forked process; it is at work once it calls what it is given, and then stays until it is killed."""
    ready, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            work(lambda: os.write(tell, b"!") and None)
            signal.pause()
        except BaseException:  # noqa: BLE001 - nobody above sees it
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"!", "the child failed"
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def holds(folder: Path, name: str, ttl: float = LONG) -> Callable[[Callable[[], None]], None]:
    def work(ready: Callable[[], None]) -> None:
        held = DiskLocks(folder).acquire(name, ttl, 0)
        ready()
        signal.pause()
        held.release()

    return work


def waiting(locks: DiskLocks, name: str, count: int) -> None:
    """Return once so many stand in the queue."""
    deadline = time.monotonic() + 20
    while True:
        file = locks._open(name)
        state = file.alone(file.read)
        if state and len(list(file.queue(state, state.tail))) == count:
            return
        assert time.monotonic() < deadline, state
        time.sleep(0.002)


def started(function: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread
