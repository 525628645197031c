"""Passes requests on to a server and answers a little later: a server that is slower by a known time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis_lab import Server


@contextmanager
def slower(server: Server, seconds: float) -> Iterator[str]:
    """The URL of the server with this delay; a process of its own, so that it takes nobody's turn."""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(server.port), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield f"redis://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()
            process.wait()


def main(port: int, seconds: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_listen, args=(listener, port, seconds), daemon=True).start()
        print(listener.getsockname()[1], flush=True)
        sys.stdin.read()
        os._exit(0)


def _listen(listener: socket.socket, port: int, seconds: float) -> None:
    while True:
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", port))
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # as on a network, one connection does not wait for another
        threading.Thread(target=_pass_on, args=(client, server, seconds), daemon=True).start()


def _pass_on(client: socket.socket, server: socket.socket, seconds: float) -> None:
    """Requests, each of which is one piece here, and their replies."""
    with client, server, suppress(OSError):
        while request := client.recv(65536):
            server.sendall(request)
            reply = server.recv(65536)
            if seconds < 0.001:
                end = time.perf_counter() + seconds
                while time.perf_counter() < end:
                    pass  # sleeping is never so short
            else:
                time.sleep(seconds)
            client.sendall(reply)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
