"""File locks: one writer at a time, released by the kernel however the writer ends."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Generator
from pathlib import Path

from filewallball.sandbox.progress import Progress


@contextlib.contextmanager
def exclusive(path: Path, progress: Progress, holder: str) -> Generator[None]:
    """Hold the lock `path`; while somebody else does, say that we wait for `holder`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"waiting for {holder}"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
