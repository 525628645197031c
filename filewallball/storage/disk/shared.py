"""Stores that are open: each at most once in a process, shared by its backends, and anew after a fork."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import lmdb

from filewallball.storage.disk import engine, places
from filewallball.storage.disk.engine import Opened
from filewallball.storage.errors import WrongSetting

_AT_WORK_SECONDS = 5.0
"""How long closing waits for threads that are at work."""

_lock = threading.Lock()
_open: dict[tuple[int, int], Opened] = {}
_forget: list[Callable[[], None]] = []
dropped: deque[Opened] = deque()
"""Of backends that nobody closed before they were forgotten: released with the next one that is opened."""


def on_fork(forget: Callable[[], None]) -> None:
    """Call this in a child after a fork: what the parent opened is not the child's."""
    _forget.append(forget)


def _before_fork() -> None:
    """Let other threads end what they do: in the middle of it LMDB can't be closed in the child."""
    _lock.acquire()
    for opened in _open.values():
        opened.hold()


def _in_parent() -> None:
    for opened in _open.values():
        opened.let_go()
    _lock.release()


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()
    for opened in _open.values():
        opened.env.close()
        os.close(opened.in_use)
    _open.clear()
    dropped.clear()
    for forget in _forget:
        forget()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)


def acquire(folder: Path, *, durable: bool, file_size: int) -> Opened:
    """The store in a folder, open; its data grow up to so many bytes. Raises StorageError."""
    store = places.prepared(folder)
    found = store.stat()
    name = (found.st_dev, found.st_ino)
    with _lock:
        opened = _open.get(name)
        if opened is not None and not opened.is_there():  # a new folder with the number of the old one
            _forgotten(opened)
            opened = None
        if opened is None:
            try:
                opened = engine.opened(store, durable, file_size)
            except OSError as error:
                raise places.refused(error, folder) from error
            except lmdb.Error as error:
                raise engine.told(error, folder) from error
            _open[name] = opened
        elif opened.durable != durable:
            raise WrongSetting(
                f"{folder} is open in this process with another `durable`. Say the same twice."
            )
        else:
            opened.widen(file_size)
        opened.users += 1
    while dropped:
        with suppress(IndexError):
            release(dropped.popleft())
    return opened


def abandon(opened: Opened) -> None:
    """Close what has no folder any more. Threads that are about to use it find that out, and ask for a new
    one."""
    with _lock:
        _forgotten(opened)


def _forgotten(opened: Opened) -> None:
    names = [name for name, each in _open.items() if each is opened]
    for name in names:
        del _open[name]
    if names:
        _close(opened)


def release(opened: Opened) -> None:
    """Close it if nobody in this process uses it any more."""
    with _lock:
        opened.users -= 1
        if opened.users:
            return
        if opened.is_there():
            with places.opening(opened.store):
                _forgotten(opened)
        else:
            _forgotten(opened)


def _close(opened: Opened) -> None:
    alone = opened.is_there() and places.alone(opened.in_use)
    opened.over = True
    if opened.hold(_AT_WORK_SECONDS):  # else a thread waits for a process that is stopped
        try:
            if alone:
                opened.env.sync(True)
            opened.env.close()
        finally:
            opened.let_go()
        if alone:
            places.write(opened.store / "boot", engine.seal(opened.store / places.DATA))
    os.close(opened.in_use)
