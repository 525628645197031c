"""A signal whose handler raises in the middle of a call: Control-C, a worker's time limit, a test's.

Python runs a handler when a function of Python's begins, and when one of C's has returned. A profiler is told
of just these moments, so the test raises at each of them in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from filewallball.storage import NotAcquired, Storage
from filewallball.storage.locks import ears, lockfile
from filewallball.storage.locks.on_disk import DiskLocks

PACKAGE = "filewallball/storage"


class Raised(BaseException):
    pass


def at_moment(number: int, work: Callable[[], Any]) -> bool:
    """Raise at this moment of the work; whether it has so many."""
    seen = 0

    def moment(frame: FrameType, event: str, _: Any) -> None:
        nonlocal seen
        if event not in ("call", "c_return") or PACKAGE not in frame.f_code.co_filename:
            return
        seen += 1
        if seen == number:
            sys.setprofile(None)
            raise Raised

    sys.setprofile(moment)
    try:
        with suppress(Raised, NotAcquired):
            work()
    finally:
        sys.setprofile(None)
    return seen >= number


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(lockfile, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(ears, "_MAX_SECONDS", 0.05)
    return tmp_path


def test_no_moment_leaves_a_lock_that_nobody_can_have(folder: Path) -> None:
    with Storage.from_url(f"file://{folder}") as storage, storage.lock("warm", 60):
        ttl, held = 0.2, 0

        def work() -> None:
            with storage.lock("l", ttl):
                pass

        others = DiskLocks(folder / "locks")
        number = 1
        while at_moment(number, work):
            held += "l" in others.held()
            others.acquire("l", ttl, 5).release()
            work()
            number += 1
        assert number > 50
        assert held < number / 4, "at almost all moments it is free at once"


def test_nor_while_one_waits_for_it(folder: Path) -> None:
    locks, others = DiskLocks(folder), DiskLocks(folder)
    number = 1
    while True:
        held = others.acquire("l", 60, 5)
        more = at_moment(number, lambda: locks.acquire("l", 60, 0.03))
        held.release()
        others.acquire("l", 60, 5).release()
        if not more or number > 400:
            break
        number += 7
    assert number > 50
