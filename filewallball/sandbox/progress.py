"""What a long command says: a line when a step starts, notes while it waits, and its time at the end."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Generator


def to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")  # in one piece: steps may run side by side
    sys.stderr.flush()


class Step:
    """A running step; `note` says what it waits for, and is printed only when that changes."""

    def __init__(self, name: str, write: Callable[[str], None]) -> None:
        self._name = name
        self._write = write
        self._started = time.monotonic()
        self._noted = ""

    def note(self, text: str) -> None:
        if text != self._noted:
            self._noted = text
            self._write(f"{self._name}: {text} ({self.seconds:.0f} s)")

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


class Progress:
    """Writes lines somewhere: the standard error, or whatever the caller passes."""

    def __init__(self, write: Callable[[str], None] = to_stderr) -> None:
        self._write = write

    def say(self, line: str) -> None:
        self._write(line)

    @contextlib.contextmanager
    def step(self, name: str) -> Generator[Step]:
        self._write(f"{name} …")
        step = Step(name, self._write)
        yield step
        self._write(f"{name}: done in {step.seconds:.1f} s")
