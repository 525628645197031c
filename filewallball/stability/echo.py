"""Answers whatever comes with the reply to a GET of 100 bytes. Prints its port; ends when its stdin does."""

from __future__ import annotations

import selectors
import socket
import sys

REPLY = b"$100\r\n" + b"x" * 100 + b"\r\n"


def main() -> None:
    with selectors.DefaultSelector() as ready, socket.create_server(("127.0.0.1", 0)) as server:
        ready.register(server, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        print(server.getsockname()[1], flush=True)
        while True:
            for key, _ in ready.select():
                if key.fileobj is sys.stdin:
                    return
                if key.fileobj is server:
                    peer, _ = server.accept()
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    ready.register(peer, selectors.EVENT_READ)
                else:
                    _answer(ready, key.fileobj)  # type: ignore[arg-type]


def _answer(ready: selectors.BaseSelector, peer: socket.socket) -> None:
    try:
        if peer.recv(65536):
            peer.sendall(REPLY)
            return
    except OSError:
        pass  # it has gone
    ready.unregister(peer)
    peer.close()


if __name__ == "__main__":
    main()
