"""What a job says while it runs: a line for each step, with the step's name in front of every error."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime

from filewallball.errors import UserError
from filewallball.jobs import stopping

_PROGRESS_SECONDS = 10.0


class Log:
    """Plain lines with a UTC time, one or more for each step; progress at most every 10 seconds."""

    def __init__(
        self,
        write: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        work_size: str = "filewallball:backup.workSize",
    ) -> None:
        self._write = write
        self._work_size = work_size
        self.clock = clock
        self._next = 0.0

    def say(self, text: str) -> None:
        self._write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}")
        self._next = self.clock() + _PROGRESS_SECONDS

    def progress(self, text: str) -> None:
        if self.clock() >= self._next:
            self.say(f"… {text}")

    @contextmanager
    def step(self, name: str) -> Generator[list[str]]:
        """Say `name: what (seconds)` at the end; the block fills `what`. An error gets the step's name."""
        self._next = self.clock() + _PROGRESS_SECONDS
        started = self.clock()
        what: list[str] = []
        try:
            with stopping.told():
                yield what
        except UserError as error:
            raise error.retold(f"{name}: {error.message}", error.hint) from error
        except OSError as error:
            hint = (
                f"See that the work directory has room. If not, raise {self._work_size}, and run `fwb up`. "
                "If a program is missing, set filewallball:toolkit.image to the image of this version."
            )
            raise UserError(f"{name}: {error}", hint) from error
        self.say(f"{name}: {', '.join(what)} ({self.clock() - started:.1f} s)")
