"""`fwb forward`: the servers of a stack on this machine's own ports, through the cluster's API server."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from facts.addresses import LOOPBACK
from filewallball import stack
from filewallball.errors import UserError
from filewallball.forwarding import ports
from filewallball.forwarding.ports import Port
from filewallball.stability.tunnel import Tunnel
from filewallball.stack import Place

Say = Callable[[str], None]
_QUIET_SECONDS = 5.0
"""A server that is away is told of once in this time, however often clients try."""


def run(project: Path, name: str, say: Say, wait: Callable[[], object]) -> int:
    """Forward until `wait` returns or is interrupted. Returns the exit code: 1 if nothing is forwarded."""
    place = stack.find(project, name)
    found = ports.of_stack(place)
    if not found:
        raise UserError(f"No server of stack {name} runs in {place}", f"Run `fwb up {name}` first.")
    with Forwarding(place, say) as forwarding:
        forwarded = [each for each in found if forwarding.open(each)]
        if not forwarded and not any(each.had for each in found):
            return 1
        say("Ready. Ctrl-C ends it.")
        with contextlib.suppress(KeyboardInterrupt):
            wait()
    return 0


class Forwarding:
    """Open ports of this machine. Each connection finds its pod anew: one that is replaced is followed."""

    def __init__(self, place: Place, say: Say) -> None:
        self._place, self._say = place, say
        self._listeners: list[socket.socket] = []
        self._told: dict[int, float] = {}

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._listeners:
            # Wakes the thread that accepts, which a mere close would not.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def open(self, port: Port) -> bool:
        """Listen, and say so; or say why not."""
        address = f"{LOOPBACK}:{port.local}"
        if port.had:
            self._say(f"{address:<16} {port.name}: the sandbox has it already at {port.had}")
            return False
        try:
            listener = socket.create_server((LOOPBACK, port.local))
        except OSError as error:
            why = "another program has taken this port" if error.errno == errno.EADDRINUSE else error.strerror
            self._say(f"{address:<16} {port.name}: not forwarded, {why}. End that program to have it.")
            return False
        self._listeners.append(listener)
        threading.Thread(target=self._serve, args=(listener, port), name="fwb-forward", daemon=True).start()
        self._say(f"{address:<16} {port.name}{f': {port.url}' if port.url else ''}")
        return True

    def _serve(self, listener: socket.socket, port: Port) -> None:
        while True:
            try:
                local, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(local, port), daemon=True).start()

    def _pass_on(self, local: socket.socket, port: Port) -> None:
        """What goes wrong ends the connection, which the client sees."""
        with local:
            try:
                pod = port.pod()
                number = self._number(pod, port.remote)
                with self._place.kube.forwarded(pod, self._place.namespace, number) as (remote, first):
                    Tunnel(remote, first).pump(local)
            except UserError as error:
                self._tell(port, error.message)
            except OSError:
                pass

    def _number(self, pod: str, port: int | str) -> int:
        """The number of a port that the pod's description calls by name."""
        if isinstance(port, int):
            return port
        found = self._place.kube.get("v1", "Pod", pod, self._place.namespace) or {"spec": {"containers": []}}
        containers: list[dict[str, Any]] = found["spec"]["containers"]
        for container in containers:
            opened: list[dict[str, Any]] = container.get("ports") or []
            for each in opened:
                if each.get("name") == port:
                    return int(each["containerPort"])
        raise UserError(f"{pod} has no port {port}", f"Run `fwb up {self._place.stack}`.")

    def _tell(self, port: Port, message: str) -> None:
        now = time.monotonic()
        if now - self._told.get(port.local, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._told[port.local] = now
            self._say(f"{LOOPBACK}:{port.local:<6} {port.name}: {message}")
