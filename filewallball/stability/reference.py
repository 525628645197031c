"""A measure of this machine alone: a process that answers on the loopback interface, and does nothing else.

A poll asks it in turn with the server. What it gets slower by between two polls is this machine's doing, and
not the server's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address

_PROGRAM = Path(__file__).with_name("echo.py")


@contextmanager
def running() -> Generator[Address]:
    """Its address, for as long as the block runs. It ends with this process, too, however that ends."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is for us: the load still needs it for a moment
    ) as process:
        told, ends = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stdin)
        try:
            line = told.readline()
            if not line:
                raise UserError(
                    "The reference, a process of ours, could not start",
                    "See that 127.0.0.1 can be listened on.",
                )
            yield Address("127.0.0.1", int(line))
        finally:
            ends.close()  # which ends it
            process.wait()
