"""A program of a sandbox: has the pages of its stacks on 127.0.0.1 of the machine, as long as it runs.

A Service says so by the annotation facts.addresses.URL. It is reached from the sandbox's own network, and the
port is opened in the machine's: a socket stays in the network in which it was made.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facts.addresses import LOOPBACK, URL, Page
from filewallball.errors import UserError
from filewallball.kube import Kube
from filewallball.sandbox.supervisor import write_atomically

FILE = "published.json"
_CHUNK_BYTES = 1 << 18
_AGAIN_SECONDS = 2.0
_FOR_GOOD_SECONDS = 10.0**9
_CONNECT_SECONDS = 10.0

Opener = Callable[[int], socket.socket]
"""Makes a listening socket of this machine; port 0: any. Raises OSError for a port that is taken."""


@dataclass(frozen=True)
class Published:
    """A page on this machine. `service`: namespace/name."""

    service: str
    name: str
    url: str


def published(directory: Path) -> list[Published]:
    """What the sandbox with this folder has on 127.0.0.1; nothing while it is down."""
    try:
        found = json.loads((directory / FILE).read_text(encoding="utf-8"))
        return [Published(**each) for each in found]
    except (OSError, ValueError, TypeError):
        return []


@dataclass
class _Open:
    page: Page
    target: tuple[str, int]
    listener: socket.socket

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def close(self) -> None:
        # Wakes the thread that accepts, which a mere close would not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Publisher:
    """Follows Services. `directory`: the sandbox's, where it writes down what it has."""

    def __init__(self, directory: Path, opener: Opener) -> None:
        self._file, self._opener = directory / FILE, opener
        self._before = {each.service: each.url for each in published(directory)}
        self._open: dict[str, _Open] = {}

    def see(self, change: str, service: dict[str, Any]) -> None:
        """`change`: as a watch calls it."""
        key = f"{service['metadata']['namespace']}/{service['metadata']['name']}"
        wanted = None if change == "DELETED" else _wanted(service)
        there = self._open.get(key)
        if (there and (there.page, there.target)) == wanted:
            return
        if there:
            there.close()
            del self._open[key]
        if wanted:
            self._publish(key, *wanted)
        self._write()

    def only(self, present: set[str]) -> None:
        """Close what belongs to no Service of these."""
        for key in set(self._open) - present:
            self._open.pop(key).close()
        self._write()

    def _publish(self, key: str, page: Page, target: tuple[str, int]) -> None:
        last = Page.read(f"{page.name} {self._before.get(key, '')}")
        for port in (last.port if last else page.port, page.port, 0):
            try:
                listener = self._opener(port)
            except OSError:
                continue
            self._open[key] = made = _Open(page, target, listener)
            print(f"{key}: {page.url(made.port)}", flush=True)
            threading.Thread(target=_serve, args=(listener, target), daemon=True).start()
            return

    def _write(self) -> None:
        found = [
            Published(key, each.page.name, each.page.url(each.port))
            for key, each in sorted(self._open.items())
        ]
        write_atomically(self._file, json.dumps([asdict(each) for each in found], indent=1))


def _wanted(service: dict[str, Any]) -> tuple[Page, tuple[str, int]] | None:
    annotations: dict[str, str] = service["metadata"].get("annotations") or {}
    spec: dict[str, Any] = service["spec"]
    page, address = Page.read(annotations.get(URL, "")), spec.get("clusterIP")
    if not page or address in (None, "", "None") or not spec.get("ports"):
        return None
    return page, (address, spec["ports"][0]["port"])


def _serve(listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            local, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pass_on, args=(local, target), daemon=True).start()


def _pass_on(local: socket.socket, target: tuple[str, int]) -> None:
    """Both ways, until both sides have ended. What goes wrong ends the connection, which the client sees."""
    with local, contextlib.suppress(OSError), socket.create_connection(target, _CONNECT_SECONDS) as remote:
        for each in (local, remote):
            each.settimeout(None)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_copy, args=(remote, local), daemon=True)
        back.start()
        _copy(local, remote)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    try:
        while got := source.recv_into(buffer):
            target.sendall(buffer[:got])
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # Neither side waits for the other's rest.
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def _in_network(network: int) -> Generator[None]:
    """This thread is in another network (a namespace's file descriptor) for as long as the block runs."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor: int) -> None:
        if libc.setns(descriptor, 0):
            raise OSError(ctypes.get_errno(), "setns failed")

    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        enter(network)
        yield
    finally:
        enter(own)
        os.close(own)


def opener(network: int) -> Opener:
    """Opens ports in that network."""

    def listen(port: int) -> socket.socket:
        with _in_network(network):
            return socket.create_server((LOOPBACK, port), backlog=512)

    return listen


def main(directory: Path, kubeconfig: Path, network: int) -> None:
    publisher = Publisher(directory, opener(network))
    while True:
        try:
            with Kube.connect(kubeconfig) as kube:
                there = kube.list("v1", "Service")
                publisher.only(
                    {f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in there}
                )
                for change, service in kube.watch("v1", "Service", timeout=_FOR_GOOD_SECONDS):
                    publisher.see(change, service)
        except UserError as error:
            print(error.message, flush=True)
        time.sleep(_AGAIN_SECONDS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
