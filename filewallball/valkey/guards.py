"""The guards of the set: each agent's threads watch its own server, the other members and the Sentinels.

All agents watch everything: while one of them restarts, the connections of the others are still there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from filewallball.guard.watch import Guard, Say
from filewallball.valkey.layout import PORT, SENTINEL_PORT, Layout
from filewallball.valkey.member import wait_until

SERVER_USERS = ("checks", "backup", "replica", "watch", "agent")
SENTINEL_USERS = ("checks", "peer")


class Guards:
    """`start` begins to watch in the background, `stop` ends it."""

    def __init__(self, layout: Layout, say: Say) -> None:
        self._guards = list(_guards(layout, say))
        self._stopping = threading.Event()

    def start(self) -> None:
        for guard in self._guards:
            threading.Thread(
                target=guard.run, args=(self._stopping,), name=f"guard-{guard.name}", daemon=True
            ).start()

    def wait_inside(self, seconds: float) -> None:
        """Wait until the own server is guarded: before it lets anybody in, while there is still room."""
        own = self._guards[0]
        wait_until(lambda: own.inside, seconds)

    def stop(self) -> None:
        self._stopping.set()


def _guards(layout: Layout, say: Say) -> Iterator[Guard]:
    share = layout.connections
    server = {"credential_provider": layout.login("agent")}
    sentinel = {"credential_provider": layout.login("peer")}
    socket = str(layout.run / "valkey.sock")
    yield Guard(layout.me.name, share, SERVER_USERS, say, unix_socket_path=socket, **server)
    for pod in layout.peers:
        yield Guard(pod.name, share, SERVER_USERS, say, **_at(layout, pod.host, PORT), **server)
    for pod in layout.sentinels:
        yield Guard(pod.name, share, SENTINEL_USERS, say, **_at(layout, pod.host, SENTINEL_PORT), **sentinel)


def _at(layout: Layout, host: str, port: int) -> dict[str, Any]:
    return {"host": host, "port": port, "socket_keepalive": True, **layout.encryption}
