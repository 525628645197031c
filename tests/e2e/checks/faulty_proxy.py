"""A TCP proxy that stands for a bad network, or for something that tampers with what passes."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class Proxy:
    """Forwards TCP to a server, changes bytes on the way there and delays replies on the way back."""

    def __init__(self, port: int, changes: list[tuple[bytes, bytes]], delay: float, every: int) -> None:
        self._changes, self._delay, self._every, self._target = changes, delay, every, port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in [self._listener, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(server, client), daemon=True).start()

    def _forth(self, source: socket.socket, sink: socket.socket) -> None:
        held = b""
        with suppress(OSError):
            while data := source.recv(65536):
                data = held + data
                for old, new in self._changes:
                    data = data.replace(old, new)
                held = self._beginning(data)
                sink.sendall(data[: len(data) - len(held)])
            sink.shutdown(socket.SHUT_WR)

    def _beginning(self, data: bytes) -> bytes:
        """What stands at the end and may be the first part of something to change."""
        for old, _ in self._changes:
            for length in range(len(old) - 1, 0, -1):
                if data.endswith(old[:length]):
                    return old[:length]
        return b""

    def _back(self, source: socket.socket, sink: socket.socket) -> None:
        replies = 0
        with suppress(OSError):
            while data := source.recv(65536):
                replies += 1
                if self._delay and replies % self._every == 0:
                    time.sleep(self._delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
