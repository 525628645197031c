"""Answers whatever comes with the reply to a GET of 100 bytes. Prints its port; ends when its stdin does.

Each connection has a thread of its own, whose number in the system is what it sends first.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

REPLY = b"$100\r\n" + b"x" * 100 + b"\r\n"


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_listen, args=(server,), daemon=True).start()
        print(server.getsockname()[1], flush=True)
        sys.stdin.read()
        os._exit(0)  # whatever the threads wait for


def _listen(server: socket.socket) -> None:
    while True:
        peer, _ = server.accept()
        threading.Thread(target=_answer, args=(peer,), daemon=True).start()


def _answer(peer: socket.socket) -> None:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        peer.sendall(b"%d\n" % threading.get_native_id())
        while peer.recv(65536):
            peer.sendall(REPLY)
    except OSError:
        pass  # it has gone
    peer.close()


if __name__ == "__main__":
    main()
