"""A plain connection to a server, for commands by the hundred thousand: what redis-py does well, but slowly.

Commands go out in bulk as bytes that are ready made, and replies come back as a list. Measured: see
benchmarks/redis_backup.py.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from filewallball.errors import ConfigError, UserError
from filewallball.snapshots.settings import Address
from filewallball.stability.servers import ANSWER_SECONDS, CONNECT_SECONDS
from filewallball.stability.targets import Access, Target

_CHUNK = 2**20
"""Bytes that are read at a time."""
_NEXT = b"\r\n$"
_NUMBER = b"\r\n:"
_NONE = b"none"
"""No length: nothing takes so many bytes."""
_AGAIN = "Run the command again. It goes on where it was."


class Lost(UserError):
    """The connection ended, or the server can't answer now. What was under way may be tried again."""


class Refused(Exception):
    """A server's error reply. `code` is its first word."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]
        self.text = text


PASSING = frozenset(
    {"LOADING", "MASTERDOWN", "NOMASTERLINK", "CLUSTERDOWN", "READONLY", "BUSY", "TRYAGAIN", "FAILOVER"}
)
"""Codes of errors that pass when the deployment has settled."""


def words(*command: bytes | str | int) -> bytes:
    """A command as the protocol has it."""
    parts = [b"*%d\r\n" % len(command)]
    for word in command:
        given = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(given), given))
    return b"".join(parts)


def arguments(replies: bytes, count: int) -> list[bytes] | None:
    """So many bulk strings, each with its length before it, as commands have it.

    None if they can't be told so fast: there is another reply among them, or what looks like one inside.
    """
    found = _parts(replies)
    return found if _are_whole(found, count) else None


def with_numbers(replies: bytes, count: int) -> tuple[list[bytes], list[int]] | None:
    """The same of so many bulk strings with a number after each, and the numbers."""
    pairs = [each.rpartition(_NUMBER) for each in _parts(replies)]
    found = [text for text, _, _ in pairs]
    try:
        numbers = [int(number) for _, _, number in pairs]
    except ValueError:
        return None
    return (found, numbers) if _are_whole(found, count) else None


def _parts(replies: bytes) -> list[bytes]:
    return replies[1:-2].split(_NEXT) if replies.startswith(b"$") else []


def _are_whole(found: Sequence[bytes], count: int) -> bool:
    """Whether each is as long as it says: then the next one begins where it should."""
    return len(found) == count and all(map(bytes.startswith, found, map(_head, map(len, found))))


@lru_cache(2**16)
def _head(size: int) -> bytes:
    """The length of a bulk string that takes so many bytes together with its length."""
    for digits in range(1, len(str(size)) + 1):
        head = b"%d\r\n" % max(0, size - 2 - digits)
        if len(head) == digits + 2 and size >= len(head):
            return head
    return _NONE


def dial(access: Access, address: Address) -> socket.socket:
    """A connection, encrypted where the target asks for it; nobody has logged in. Raises OSError."""
    plain = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not access.tls:
        return plain
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.cert_file:
            context.load_cert_chain(access.cert_file, access.key_file)
        return context.wrap_socket(plain, server_hostname=access.server_name or address.host)
    except OSError:
        plain.close()
        raise


class Wire:
    """One connection. Every method raises Lost when it ends."""

    def __init__(self, connection: socket.socket, name: str, seconds: float = 60.0) -> None:
        connection.settimeout(seconds)
        self.name = name
        self._socket = connection
        self._buffer: bytes = b""
        self._at: int = 0

    @classmethod
    def to(cls, target: Target, address: Address, database: int = 0, seconds: float = 60.0) -> Wire:
        """Logged in, in that database. Raises Lost, ConfigError for a login or a database that is refused."""
        access = target.access
        try:
            made = cls(dial(access, address), str(address), max(seconds, ANSWER_SECONDS))
        except OSError as error:
            raise Lost(f"{address} does not answer: {error}", _AGAIN) from error
        try:
            if access.password is not None:
                user = [access.username] if access.username else []
                made.run("AUTH", *user, access.password)
            if database:
                made.run("SELECT", database)
        except Refused as error:
            made.close()
            if error.code in PASSING:
                raise Lost(f"{address}: {error.text}", _AGAIN) from error
            if error.code in ("WRONGPASS", "NOAUTH", "NOPERM") or "password" in error.text:
                raise ConfigError(
                    f"{address} refuses the login: {error.text}",
                    f"Write {target.variable('PASSWORD')}, and {target.variable('USERNAME')} for a user with "
                    f"a name, into {target.env_file}.",
                ) from error
            raise ConfigError(
                f"{address} has no database {database}: {error.text}",
                "Raise `databases` in its configuration, or restore another database with --database.",
            ) from error
        return made

    @classmethod
    def to_socket(cls, path: str) -> Wire:
        """A server of this machine, by its socket. Raises OSError."""
        plain = socket.socket(socket.AF_UNIX)
        try:
            plain.connect(path)
        except OSError:
            plain.close()
            raise
        return cls(plain, path, 600.0)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise self._lost(error) from error

    def run(self, *command: bytes | str | int) -> Any:
        """One command and its reply. Raises Refused."""
        self.send(words(*command))
        [reply] = self.replies(1)
        if isinstance(reply, Refused):
            raise reply
        return reply

    def replies(self, count: int) -> list[Any]:
        """As many replies: bytes, numbers, None, lists, and Refused for errors."""
        found: list[Any] = []
        append = found.append
        buffer = self._buffer
        at = self._at
        while len(found) < count:
            end = buffer.find(b"\r\n", at)
            if end < 0:
                buffer, at = self._more(buffer, at, 1), 0
                continue
            kind = buffer[at]
            if kind == 36:  # $: nearly all
                size = int(buffer[at + 1 : end])
                if size < 0:
                    append(None)
                    at = end + 2
                    continue
                start = end + 2
                stop = start + size
                if len(buffer) < stop + 2:
                    buffer, at = self._more(buffer, at, stop + 2 - len(buffer)), 0
                    continue
                append(buffer[start:stop])
                at = stop + 2
            elif kind == 58:  # :
                append(int(buffer[at + 1 : end]))
                at = end + 2
            elif kind == 43:  # +
                append(buffer[at + 1 : end])
                at = end + 2
            elif kind == 45:  # -
                append(Refused(buffer[at + 1 : end].decode(errors="replace")))
                at = end + 2
            elif kind == 42:  # *
                size = int(buffer[at + 1 : end])
                self._buffer, self._at = buffer, end + 2
                append(None if size < 0 else self.replies(size))
                buffer, at = self._buffer, self._at
            else:
                raise self._lost(f"it sent {buffer[at : at + 20]!r}")
        self._buffer, self._at = buffer, at
        return found

    def before(self, mark: bytes) -> bytes:
        """All replies before that one, as they are. Nothing else may hold its bytes."""
        buffer = bytearray(self._buffer[self._at :])
        at = 0
        while (end := buffer.find(mark, at)) < 0:
            at = max(0, len(buffer) - len(mark) + 1)
            buffer += self._more(b"", 0, 1)
        self._buffer, self._at = bytes(buffer[end + len(mark) :]), 0
        return bytes(buffer[:end])

    def back(self, replies: bytes) -> None:
        """Take these again, one by one."""
        self._buffer, self._at = replies + self._buffer[self._at :], 0

    def all_ok(self, count: int) -> bool:
        """Whether the next replies are all OK; if not, none of them is taken."""
        size = 5 * count
        buffer = self._buffer[self._at :] if self._at else self._buffer
        while len(buffer) < size:
            # An error is longer than OK, so it is there before the whole length is.
            if buffer.count(b"+OK\r\n") * 5 < len(buffer) - 4:
                break
            buffer = self._more(buffer, 0, 1)
        self._buffer, self._at = buffer, 0
        if len(buffer) < size or buffer[:size] != b"+OK\r\n" * count:
            return False
        self._at = size
        return True

    def _more(self, buffer: bytes, at: int, least: int) -> bytes:
        parts = [buffer[at:]]
        while least > 0:
            try:
                part = self._socket.recv(max(_CHUNK, min(least, 64 * _CHUNK)))
            except OSError as error:
                raise self._lost(error) from error
            if not part:
                raise self._lost("it closed the connection")
            parts.append(part)
            least -= len(part)
        return b"".join(parts)

    def _lost(self, why: object) -> Lost:
        self.close()
        return Lost(f"The connection to {self.name} ended: {why}", _AGAIN)


def info(wire: Wire, section: str) -> dict[str, str]:
    """The fields of an INFO reply. Raises Refused."""
    lines = wire.run("INFO", section).decode(errors="replace").splitlines()
    return {name: value for name, mark, value in (line.partition(":") for line in lines) if mark}
