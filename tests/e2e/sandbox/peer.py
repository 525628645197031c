"""One end of an open TCP connection in a pod's network: `peer.py listen|connect HOST PORT`.

Sends a line with the time every tenth of a second, and prints each such time that it receives from the other
end, so that a test sees what arrived of what was sent after some moment.
"""

from __future__ import annotations

import socket
import sys
import threading
import time


def connect(host: str, port: int) -> socket.socket:
    """Tries until somebody listens; the test that waits for the first line says when it has been too long."""
    while True:
        try:
            connection = socket.create_connection((host, port), timeout=1)
        except OSError:
            time.sleep(0.1)
        else:
            connection.settimeout(None)
            return connection


def send(connection: socket.socket) -> None:
    while True:
        connection.sendall(f"{time.time()}\n".encode())
        time.sleep(0.1)


def main(role: str, host: str, port: int) -> None:
    if role == "listen":
        # It stays open: the kernel answers further connections, which is all that a probe asks for.
        listener = socket.create_server((host, port))
        connection, _ = listener.accept()
    else:
        connection = connect(host, port)
    # Each line in a packet of its own, without waiting for the answer to the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=send, args=[connection], daemon=True).start()
    for line in connection.makefile():
        print(line, end="", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
