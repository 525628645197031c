"""A measure of this machine alone: a process that answers on the loopback interface, and does nothing else.

A poll asks it in turn with the server. What it gets slower by between two polls is this machine's doing, and
not the server's.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address

_PROGRAM = Path(__file__).with_name("echo.py")
_REQUEST = b"*2\r\n$3\r\nGET\r\n$32\r\nfwb:check:stability:00000000-0:49\r\n"
_PROCESSORS = 2
"""That are taken in turn."""


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


class Reference:
    """One thread's connection to it."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection((address.host, address.port), 10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = int(self._socket.recv(32))
        self._places = _processors()
        self._turn = 0

    def close(self) -> None:
        self._socket.close()

    def ask(self) -> None:
        """One request and its reply."""
        self._socket.sendall(_REQUEST)
        self._socket.recv(65536)

    def move(self) -> None:
        """Put this thread and its partner on the next pair of processors.

        A request on one processor takes half as long as one between two. Which of these it is, the system
        decides anew for each process, and then leaves it so: two polls would differ for no other reason.
        """
        if len(self._places) < 2:
            return
        ours = self._places[self._turn % len(self._places)]
        theirs = self._places[self._turn // len(self._places) % len(self._places)]
        self._turn += 1
        try:
            for thread, place in ((threading.get_native_id(), ours), (self._thread, theirs)):
                os.sched_setaffinity(thread, {place})
        except OSError:
            self._places = []  # it isn't ours to decide, or a processor was taken away


def _processors() -> list[int]:
    """Two that this process may use, far from one another; none where the system can't tell."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    found = sorted(os.sched_getaffinity(os.getpid()))
    return found[:: max(1, len(found) // _PROCESSORS)][:_PROCESSORS]
