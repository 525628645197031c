"""A server of the protocol that answers as a test tells it and can freeze; and how tests wait for threads."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

Answer = Callable[[list[str]], str]


class FakeServer:
    """Answers each command by `answer(words)`, which returns the reply's text as it goes over the wire."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[list[str]] = []
        self.running = threading.Event()
        self.running.set()
        self._answer = answer
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.running.set()
        # close alone would leave a blocked accept, and with it the port, behind
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def drop_clients(self) -> None:
        for each in self._connections:
            each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        try:
            while header := stream.readline():
                words = [self._word(stream) for _ in range(int(header[1:]))]
                self.running.wait()
                self.seen.append(words)
                connection.sendall(self._answer(words).encode())
        except OSError:
            pass

    @staticmethod
    def _word(stream: Any) -> str:
        length = int(stream.readline()[1:])
        return stream.read(length + 2)[:-2].decode()


def bulk(text: str) -> str:
    return f"${len(text)}\r\n{text}\r\n"


def array(*items: str) -> str:
    return f"*{len(items)}\r\n{''.join(items)}"


def words(*texts: str) -> str:
    return array(*(bulk(text) for text in texts))


def fields(**values: str) -> str:
    """A flat list of names and values; `_` in a name stands for `-`."""
    return words(*(word for name, value in values.items() for word in (name.replace("_", "-"), value)))


@contextlib.contextmanager
def running(job: Any) -> Iterator[None]:
    """`job.run(stop)` in a thread, until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=job.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def wait_until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
