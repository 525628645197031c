"""Passes requests on to a server and answers a little later: a server that is slower by a known time."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    with selectors.DefaultSelector() as ready, socket.create_server(("127.0.0.1", 0)) as listener:
        ready.register(listener, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        print(listener.getsockname()[1], flush=True)
        while True:
            for key, _ in ready.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is listener:
                    _accept(ready, listener, port)
                else:
                    _pass_on(ready, key.fileobj, key.data, seconds)


def _accept(ready: selectors.BaseSelector, listener: socket.socket, port: int) -> None:
    client, _ = listener.accept()
    server = socket.create_connection(("127.0.0.1", port))
    for each in (client, server):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ready.register(client, selectors.EVENT_READ, server)


def _pass_on(
    ready: selectors.BaseSelector, client: socket.socket, server: socket.socket, seconds: float
) -> None:
    """One request, which is one piece here, and its reply."""
    request = client.recv(65536)
    if not request:
        ready.unregister(client)
        client.close()
        server.close()
        return
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
