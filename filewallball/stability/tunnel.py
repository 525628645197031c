"""What goes through a connection to a port of a pod, as `kubectl port-forward` makes one: see Kube.forwarded.

In WebSocket frames by the protocol v4.channel.k8s.io: the first byte of each is a channel, 0 for data and 1
for the reason why there are none. Each channel begins with a frame that has the port.
"""

from __future__ import annotations

import selectors
import socket
import ssl

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping

from filewallball.errors import UserError

_DATA, _ERROR = 0, 1
_CHUNK = 32 * 1024
"""Bytes in a frame."""
_WAITING = 4 * 2**20
"""Bytes that may wait for a way out before no more are taken in."""


class Tunnel:
    """`remote`: the connection to the API server after the upgrade. `first`: what has come on it already."""

    def __init__(self, remote: socket.socket, first: bytes) -> None:
        self._remote = remote
        self._frames = Connection(ConnectionType.CLIENT)
        self._out = bytearray()
        self._in = bytearray()
        self._part = bytearray()
        self._begun: set[int] = set()
        self._over = False
        self._frames.receive_data(first)

    def pump(self, local: socket.socket) -> None:
        """Pass on what comes from either side, until one of them ends. Raises OSError, UserError.

        One thread does all of it: a TLS connection must not be read and written at the same time.
        """
        remote = self._remote
        remote.setblocking(False)
        local.setblocking(False)
        with selectors.DefaultSelector() as ready:
            self._taken()
            while not self._over:
                room = len(self._in) < _WAITING
                _listen(ready, remote, read=room, write=bool(self._out))
                _listen(ready, local, read=len(self._out) < _WAITING, write=bool(self._in))
                # What TLS has unpacked already is seen by no selector.
                held = room and isinstance(remote, ssl.SSLSocket) and remote.pending()
                happened = {key.fileobj: events for key, events in ready.select(0 if held else None)}
                if room and (held or happened.get(remote, 0) & selectors.EVENT_READ):
                    self._receive()
                if not self._over and happened.get(local, 0) & selectors.EVENT_READ:
                    self._take(local)
                _give(remote, self._out)
                _give(local, self._in)
        local.setblocking(True)
        local.sendall(self._in)

    def _take(self, local: socket.socket) -> None:
        data = _read(local)
        if data == b"":
            self._out += self._frames.send(CloseConnection(1000))
            self._over = True
            _give(self._remote, self._out)
        elif data:
            self._out += self._frames.send(BytesMessage(bytes([_DATA]) + data))

    def _receive(self) -> None:
        while not self._over and len(self._in) < _WAITING:
            data = _read(self._remote)
            if data is None:
                return
            self._frames.receive_data(data or None)
            self._taken()
            if not data:
                self._over = True

    def _taken(self) -> None:
        for event in self._frames.events():
            if isinstance(event, Ping):
                self._out += self._frames.send(event.response())
            elif isinstance(event, CloseConnection):
                self._over = True
            elif isinstance(event, BytesMessage):
                self._part += event.data
                if event.message_finished:
                    self._message(bytes(self._part))
                    self._part.clear()

    def _message(self, data: bytes) -> None:
        channel, content = data[0] if data else _DATA, data[1:]
        if channel not in self._begun:
            self._begun.add(channel)  # the port's number
        elif channel == _ERROR and content:
            raise UserError(
                f"The pod's port is not reached: {content.decode(errors='replace')[:300]}",
                "See that the pod runs, and run the command again.",
            )
        elif channel == _DATA:
            self._in += content


def _listen(ready: selectors.BaseSelector, side: socket.socket, *, read: bool, write: bool) -> None:
    """A side from which nothing is wanted at the moment is not listened to at all."""
    wanted = (selectors.EVENT_READ if read else 0) | (selectors.EVENT_WRITE if write else 0)
    there = side in ready.get_map()
    if wanted and there:
        ready.modify(side, wanted)
    elif wanted:
        ready.register(side, wanted)
    elif there:
        ready.unregister(side)


def _read(side: socket.socket) -> bytes | None:
    """What has come; None if there is nothing yet, empty at the end."""
    try:
        return side.recv(_CHUNK)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    except (ConnectionError, ssl.SSLEOFError):
        return b""


def _give(side: socket.socket, waiting: bytearray) -> None:
    """Send what the other side takes."""
    while waiting:
        try:
            sent = side.send(bytes(waiting[: 8 * _CHUNK]))
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except ConnectionError:
            waiting.clear()
            return
        del waiting[:sent]
