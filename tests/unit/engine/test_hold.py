"""Around a run that writes: an interrupt is orderly from before there is a lock."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

import pytest

from filewallball.engine import commands
from filewallball.engine.ownership import hold
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Result
from filewallball.redact import Redactor

NOTHING: Any = None


def a_result() -> Result:
    return Result("up", "filewallball", "dev", Redactor())


class FakeLock:
    """Is interrupted while it is being taken."""

    done: list[str]

    def __init__(self, *_: Any) -> None: ...

    def acquire(self) -> None:
        self.done.append("acquired")
        os.kill(os.getpid(), signal.SIGINT)

    def release(self) -> None:
        self.done.append("released")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr(FakeLock, "done", done, raising=False)
    monkeypatch.setattr(hold, "Lock", FakeLock)
    return done


def test_interrupted_while_the_lock_is_taken_it_is_given_back(done: list[str]) -> None:
    result, halt = a_result(), threading.Event()
    with hold.exclusively(NOTHING, "dev", result, NOTHING, halt):
        assert halt.is_set(), "nothing new is begun"
    assert result.interrupted
    assert done == ["acquired", "released"]


def test_handlers_are_as_before(done: list[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with hold.exclusively(NOTHING, "dev", a_result(), NOTHING, threading.Event()):
        pass
    assert signal.getsignal(signal.SIGINT) is before


def test_a_question_is_left_at_once(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is under way while it is asked."""
    halt, result = threading.Event(), a_result()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: os.kill(os.getpid(), signal.SIGINT))

    def asked() -> None:
        with hold.exclusively(NOTHING, "dev", result, NOTHING, halt):
            result.interrupted = False  # FakeLock's own
            commands._ask([], Reporter(quiet=True))

    with pytest.raises(KeyboardInterrupt):
        asked()
    assert not result.interrupted
    assert done == ["acquired", "released"]
