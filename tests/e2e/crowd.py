"""Applications that open connections until they are refused, and hold them: a process each.

Run as a script it opens them and prints how many; for each line that comes in it prints how many are still
open.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LOGIN_SECONDS = 10
RECENT = 50
"""Connections: if one of the newest is closed, that was a refusal as well."""


def taken(connection: socket.socket, login: bytes) -> bool:
    """Log in, if there is something to log in with; whether the server lets it."""
    if not login:
        return True
    connection.settimeout(LOGIN_SECONDS)
    try:
        connection.sendall(login)
        return connection.recv(1000).startswith(b"+OK")
    except ConnectionError:
        return False


def closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1000)[:1] in (b"", b"-")
    except BlockingIOError:
        return False
    except OSError:
        return True


def main(host: str, port: str, most: str, login: str) -> None:
    held: list[socket.socket] = []
    for _ in range(int(most)):
        connection = socket.create_connection((host, int(port)), timeout=LOGIN_SECONDS)
        if not taken(connection, login.encode()) or any(map(closed, held[-RECENT:])):
            break
        held.append(connection)
    print(len(held), flush=True)
    for _ in sys.stdin:
        held = [connection for connection in held if not closed(connection)]
        print(len(held), flush=True)


class Crowd:
    """Connections of another process. `opened`: how many it got before it was refused."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.opened = self._number()

    def _number(self) -> int:
        assert self._process.stdout
        return int(self._process.stdout.readline())

    def held(self) -> int:
        """How many are still open."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._number()


@contextmanager
def crowd(host: str, port: int, *, login: str = "", most: int = 5000) -> Iterator[Crowd]:
    """`login`: what is sent first, an AUTH with its line's end; left out: nothing is ever said."""
    command = [sys.executable, __file__, host, str(port), str(most), login]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Crowd(process)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
