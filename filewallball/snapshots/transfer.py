"""Taking a whole copy of a server's data, as a new replica would: PSYNC of the replication protocol.

The server makes the copy of one moment and sends it as an RDB file. To a client that says `rdb-only` it sends
nothing of what changes after that.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from facts import valkey
from filewallball.encryption import wrapped
from filewallball.errors import UserError
from filewallball.snapshots.settings import Address

USER = "backup"
_CONNECT_SECONDS = 5.0
_SILENT_SECONDS = 30.0
"""The server sends a newline each second while it gets ready."""
_CHUNK = 256 * 1024
"""Bytes that are read at a time."""
_LINE = 64 * 1024
"""Bytes. A longer line isn't an answer of a server."""
_MARK = 40
"""Bytes of the mark that ends a snapshot whose size the server doesn't say."""
_NO_ADDRESS = "snapshot"
"""Sent as this client's address. Sentinels ignore it, as it is a name.

A primary lists this client in INFO as a replica on port 0, and Sentinels would add its address to the set for
good.
"""
_HINTS = {
    "NOMASTERLINK": "The replica has no link to its primary at the moment. Run the command again in a "
    "minute.",
    "LOADING": "The server is still loading its data. Run the command again in a minute.",
    "WRONGPASS": f"The server has another password than the Secret {valkey.CREDENTIALS}, which it follows "
    "within two minutes. If this lasts, run `fwb check STACK valkey-passwords`, and do what it says.",
    "NOAUTH": "The server wants a password, and got none. Run `fwb check STACK valkey-passwords`, and do "
    "what it says.",
    "NOPERM": "The user `backup` may not do this. Run `fwb check STACK valkey-passwords`, and do what it "
    "says.",
}
_AGAIN = "The server may have restarted. Run `fwb check STACK valkey-replicas`, and then the command again."


class TransferError(UserError):
    """A server didn't hand over its data."""


@dataclass(frozen=True)
class Transferred:
    """A finished copy: its file, its size in bytes and the SHA-256."""

    path: Path
    bytes: int
    sha256: str


def fetch(
    address: Address,
    password: str,
    path: Path,
    progress: Callable[[int], None],
    ca_file: str | None = None,
) -> Transferred:
    """Write the server's data, as one moment had it, into `path`; `progress` hears the bytes so far.

    `ca_file`: the authority of an encrypted connection.

    Raises TransferError, OSError of the file itself.
    """
    digest, size = hashlib.sha256(), 0
    try:
        plain = socket.create_connection((address.host, address.port), _CONNECT_SECONDS)
        with wrapped(plain, ca_file, address.host) as connection:
            connection.settimeout(_SILENT_SECONDS)
            stream = Stream(connection)
            stream.command("AUTH", USER, password)
            for name, value in (("rdb-only", "1"), ("ip-address", _NO_ADDRESS), ("capa", "eof")):
                stream.command("REPLCONF", name, value)
            stream.send("PSYNC", "?", "-1")
            with path.open("wb") as file:
                for piece in stream.copy():
                    file.write(piece)
                    digest.update(piece)
                    size += len(piece)
                    progress(size)
    except TransferError as error:
        raise TransferError(f"{address}: {error.message}", error.hint) from error
    except OSError as error:
        if error.filename is not None or error.errno == 28:  # of the file
            raise
        raise TransferError(f"{address}: {error}", _AGAIN) from error
    return Transferred(path, size, digest.hexdigest())


class Stream:
    """One connection, read with the protocol's own framing. `chunk`: bytes that are read at a time."""

    def __init__(self, connection: socket.socket, chunk: int = _CHUNK) -> None:
        self._connection = connection
        self._chunk = chunk
        self._buffer = b""

    def send(self, *words: str) -> None:
        encoded = [word.encode() for word in words]
        parts = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
        self._connection.sendall(b"*%d\r\n%s" % (len(encoded), parts))

    def command(self, *words: str) -> str:
        """Send a command and return its one-line answer. Raises TransferError if it is an error."""
        self.send(*words)
        return self._answer(words[0])

    def copy(self) -> Iterator[bytes]:
        """The pieces of the RDB file after PSYNC. Raises TransferError."""
        answer = self._answer("PSYNC")
        if not answer.startswith("FULLRESYNC "):
            raise TransferError(f"PSYNC was answered with {answer[:80]!r}", _AGAIN)
        head = self._line()
        if head.startswith(b"-"):
            raise _refused("PSYNC", head)
        if head.startswith(b"$EOF:") and len(head) == len(b"$EOF:") + _MARK:
            yield from self._until(head[-_MARK:])
        elif head.startswith(b"$") and head[1:].isdigit():
            yield from self._counted(int(head[1:]))
        else:
            raise TransferError(f"the data begins with {head[:80]!r}", _AGAIN)

    def _answer(self, command: str) -> str:
        line = self._line()
        if not line.startswith(b"+"):
            raise _refused(command, line)
        return line[1:].decode(errors="replace")

    def _line(self) -> bytes:
        """The next line; bare newlines before it only say that the server is alive."""
        while True:
            self._buffer = self._buffer.lstrip(b"\n")
            line, end, rest = self._buffer.partition(b"\r\n")
            if end:
                self._buffer = rest
                return line
            if len(self._buffer) > _LINE:
                raise TransferError("the server doesn't speak the replication protocol", _AGAIN)
            self._buffer += self._receive()

    def _counted(self, size: int) -> Iterator[bytes]:
        while size:
            piece = (self._buffer or self._receive())[:size]
            self._buffer = self._buffer[len(piece) :]
            size -= len(piece)
            yield piece

    def _until(self, mark: bytes) -> Iterator[bytes]:
        tail = b""
        while True:
            tail += self._buffer or self._receive()
            self._buffer = b""
            if tail.endswith(mark):
                yield tail[:-_MARK]
                return
            yield tail[:-_MARK]
            tail = tail[-_MARK:]

    def _receive(self) -> bytes:
        try:
            piece = self._connection.recv(self._chunk)
        except TimeoutError:
            raise TransferError(f"the server was silent for {_SILENT_SECONDS:.0f} s", _AGAIN) from None
        if not piece:
            raise TransferError("the server closed the connection before the end of the data", _AGAIN)
        return piece


def _refused(command: str, line: bytes) -> TransferError:
    text = line.decode(errors="replace").removeprefix("-")
    return TransferError(f"{command} was refused: {text[:200]}", _HINTS.get(text.partition(" ")[0], _AGAIN))
