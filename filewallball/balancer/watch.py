"""Listens to nginx, and keeps the model of its servers through restarts of its own."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from facts.balancer import STARTED, STATE, Server
from filewallball.balancer import lines
from filewallball.balancer.page import Balancer, document
from filewallball.balancer.peers import Upstreams

LOOK_SECONDS = 0.5
_RESOLVE_SECONDS = 5.0
_LATE_SECONDS = 60.0
_LINE_BYTES = 65536
_BUFFER_BYTES = 4 * 2**20
Addresses = Mapping[Server, Sequence[str]]


class Watch:
    """The model of one nginx. `run`: the folder that both have. Threads may ask for the document."""

    def __init__(
        self,
        name: str,
        servers: Mapping[str, Sequence[Server]],
        run: Path,
        say: Callable[[str], None],
        resolve: Callable[[Mapping[str, Sequence[Server]]], Addresses] | None = None,
    ) -> None:
        self._name, self._servers, self._run, self._say = name, servers, run, say
        self._resolve = resolve or addresses
        self._lock = threading.Lock()
        self._started = ""
        self._looked_at = self._resolved_at = 0.0
        self._kept: dict[str, list[int]] = {}
        self._begin(self._stamp(), time.time(), self._resolve(servers))
        self._restore()

    def listen(self, sock: socket.socket, stopping: threading.Event) -> None:
        """Take what nginx sends to the socket until `stopping` is set."""
        with sock:
            while not stopping.is_set():
                try:
                    datagram = sock.recv(_LINE_BYTES)
                except TimeoutError:
                    datagram = b""
                now = time.time()
                if not datagram or now - self._looked_at >= LOOK_SECONDS:
                    self._look(now)
                if datagram:
                    self.hear(datagram, now)

    def hear(self, datagram: bytes, now: float) -> None:
        """Take one line of nginx's. One that makes no sense changes nothing."""
        text = lines.text_of(datagram)
        try:
            tries = lines.tries(text)
        except ValueError:
            return
        with self._lock:
            if tries is not None:
                self._upstreams.take(tries)
                strange = any(one.address not in self._upstreams for one in tries)
            elif found := lines.told(text):
                strange = found.address not in self._upstreams
                if not strange:
                    peer = self._upstreams[found.address]
                    if found.disabled:
                        peer.disable(_by_nginx(found.at, now))
                        self._say(f"{peer.server.name} ({peer.address}) gets no requests: it fails")
                    else:
                        peer.reason = found.text
            else:
                return
            self._save()
        if strange and now - self._resolved_at >= _RESOLVE_SECONDS:
            self._renew(now)

    def document(self) -> dict[str, Any]:
        """What /upstream_status tells."""
        with self._lock:
            return document(Balancer(self._name, self._since), self._upstreams, time.time())

    def _look(self, now: float) -> None:
        """nginx forgets the servers' failures when it starts."""
        self._looked_at = now
        stamp = self._stamp()
        if stamp != self._started:
            found = self._resolve(self._servers)
            with self._lock:
                self._begin(stamp, now, found)
                self._save()

    def _begin(self, stamp: str, now: float, found: Addresses) -> None:
        self._started, self._since, self._resolved_at = stamp, now, now
        self._upstreams = Upstreams(self._servers, found)

    def _renew(self, now: float) -> None:
        """A server answers at an address that its name didn't stand for."""
        found = self._resolve(self._servers)
        with self._lock:
            self._resolved_at = now
            self._upstreams.rename(found)

    def _stamp(self) -> str:
        try:
            return (self._run / STARTED).read_text(encoding="utf-8").strip()
        except OSError:
            return ""

    def _save(self) -> None:
        kept = self._upstreams.kept()
        if kept == self._kept:
            return
        self._kept = kept
        new = self._run / f"{STATE}.new"
        new.write_text(json.dumps({"started": self._started, "peers": kept}), encoding="utf-8")
        new.replace(self._run / STATE)

    def _restore(self) -> None:
        try:
            found = json.loads((self._run / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if found["started"] == self._started:
            self._upstreams.restore(found["peers"])


def _by_nginx(told: int | None, heard: float) -> float:
    """When nginx wrote a line that was heard at `heard`: its reckoning begins there, however late we hear it.

    A time that can't be is taken for one of another time zone.
    """
    return told if told is not None and heard - _LATE_SECONDS <= told <= heard else heard


def opened(port: int) -> socket.socket:
    """The socket to which nginx sends. It holds what comes while this program has no processor."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    sock.bind(("127.0.0.1", port))
    sock.settimeout(LOOK_SECONDS)
    return sock


def addresses(servers: Mapping[str, Sequence[Server]]) -> Addresses:
    """The addresses of every server, as nginx finds them when it starts; none for a name that isn't known."""
    return {each: _addresses(each.host) for found in servers.values() for each in found}


def _addresses(host: str) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return list(dict.fromkeys(str(each[4][0]) for each in found))
