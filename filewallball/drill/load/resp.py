"""The servers' protocol (RESP 2), bare: for probes that must see each answer and each silence themselves."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Sequence
from typing import Any, cast

from filewallball.encryption import wrapped

Address = tuple[str, int]
Word = str | int
CHUNK = 65536
"""Bytes that are read at a time."""


class Refusal(str):
    """An error reply, as a value: `READONLY You can't write against a read only replica.`"""

    __slots__ = ()

    @property
    def code(self) -> str:
        """Its first word, in lower case."""
        return self.partition(" ")[0].lower()


class Connection:
    """One connection. Raises OSError (TimeoutError among them) where the network fails or is silent.

    `ca_file`: the authority of an encrypted one. `name`: by which the server is known, if not its address.
    """

    def __init__(
        self, address: Address, timeout: float, ca_file: str | None = None, name: str | None = None
    ) -> None:
        self._timeout = timeout
        plain = socket.create_connection(address, timeout)
        self._socket = wrapped(plain, ca_file, name or address[0])
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()

    def send(self, *commands: Sequence[Word]) -> None:
        """Send commands without waiting for their replies."""
        self._socket.settimeout(self._timeout)
        self._socket.sendall(b"".join(_encoded(words) for words in commands))

    def reply(self, timeout: float | None = None) -> Any:
        """The next reply; `timeout` in seconds, 0 to only look. Raises TimeoutError if it isn't there."""
        timeout = self._timeout if timeout is None else timeout
        deadline = time.monotonic() + timeout
        while True:
            found = _parsed(self._buffer, 0)
            if found:
                self._buffer = self._buffer[found[1] :]
                return found[0]
            left = deadline - time.monotonic()
            if left <= 0 and timeout > 0:
                raise TimeoutError("no reply")
            self._socket.settimeout(max(left, 0.0))
            try:
                chunk = self._socket.recv(CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                raise TimeoutError("no reply yet") from None
            if not chunk:
                raise ConnectionResetError("closed by the server")
            self._buffer += chunk

    def call(self, *words: Word) -> Any:
        """One command and its reply."""
        [answer] = self.calls(words)
        return answer

    def calls(self, *commands: Sequence[Word]) -> list[Any]:
        """Several commands in one go, and their replies."""
        self.send(*commands)
        return [self.reply() for _ in commands]


def pairs(reply: Any) -> dict[str, str]:
    """A flat list of names and values as a dict; empty for anything else."""
    if not isinstance(reply, list):
        return {}
    words = [str(word) for word in cast("list[Any]", reply)]
    return dict(zip(words[::2], words[1::2], strict=False))


def info(reply: Any) -> dict[str, str]:
    """The fields of an INFO reply."""
    lines = str(reply).splitlines()
    return {name: value for name, mark, value in (line.partition(":") for line in lines) if mark}


def _encoded(words: Sequence[Word]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        data = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def _parsed(buffer: bytes, at: int) -> tuple[Any, int] | None:
    """The value that begins at `at`, and where the next one does; None while it isn't there as a whole."""
    end = buffer.find(b"\r\n", at)
    if end < 0:
        return None
    kind, text, after = buffer[at : at + 1], buffer[at + 1 : end].decode(), end + 2
    if kind == b"+":
        return text, after
    if kind == b"-":
        return Refusal(text), after
    if kind == b":":
        return int(text), after
    length = int(text)
    if length < 0:
        return None, after
    if kind == b"$":
        stop = after + length
        return (buffer[after:stop].decode(errors="replace"), stop + 2) if len(buffer) >= stop + 2 else None
    values: list[Any] = []
    for _ in range(length):
        found = _parsed(buffer, after)
        if found is None:
            return None
        values.append(found[0])
        after = found[1]
    return values, after
