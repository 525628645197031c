"""A server that is told to stop ends what it is at; what it began goes on elsewhere."""

from __future__ import annotations

import re
import signal
import socket
from collections.abc import Callable

import httpx
from app_lab import PASSWORD, App, Lab, Visitor

MIB = 2**20


def test_a_server_drains_and_its_log_ins_are_good_on_the_others(
    app: App, lab: Lab, visitor: Callable[[], Visitor]
) -> None:
    before = clients(lab)
    leaving = lab.app("app-leaving", APP_SECURE_COOKIE="1", APP_DRAIN_SECONDS="3")
    connected = [now > then for now, then in zip(clients(lab), before, strict=True)]
    assert all(connected), "no first request has to wait for that"
    shared = visitor().sign_up().upload(bytes(8 * MIB), shared="true")
    with Visitor(leaving.site) as user:
        made = user.post("/api/v1/users", json={"email": user.email, "name": "a", "password": PASSWORD})
        cookie = made.headers["set-cookie"]
        found = re.match(r"__Host-session=([0-9]+\.[\w-]{43}); ", cookie)
        assert found, "it has the prefix that no other host can set"
        for word in ("HttpOnly", "Max-Age=86400", "Path=/", "SameSite=lax", "Secure"):
            assert word in cookie
        # A download that its client reads slowly, begun before the signal.
        with socket.create_connection(("127.0.0.1", leaving.site_port), timeout=20) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.sendall(f"GET /files/{shared['id']}/download HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            received = len(slow.recv(1000))
            leaving.send(signal.SIGTERM)
            lab.until(lambda: user.get("/readyz").status_code == 503)
            assert user.get("/readyz").json() == {"status": "draining"}
            answer = user.get("/api/v1/wall")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
            lab.until(lambda: not answers(leaving))
            while chunk := slow.recv(MIB):
                received += len(chunk)
        assert received > 8 * MIB, "what was under way has ended"
        assert leaving.process
        assert leaving.process.wait(20) == 0
        there = {"Cookie": f"session={found[1]}"}
        assert httpx.get(f"{app.site}/api/v1/session", headers=there).json()["user"]["email"] == user.email


def clients(lab: Lab) -> list[int]:
    """How many the cache and the sessions have."""
    return [lab.redis(name).info("clients")["connected_clients"] for name in ("cache", "sessions")]


def answers(app: App) -> bool:
    try:
        socket.create_connection(("127.0.0.1", app.site_port), timeout=5).close()
    except OSError:
        return False
    return True
