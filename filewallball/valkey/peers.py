"""What agents tell each other, and the kubelet: a few lines of JSON over HTTP."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, cast

from filewallball.valkey.layout import Pod
from filewallball.valkey.member import View

TIMEOUT = 0.5
"""Seconds for one connection or answer."""
REQUEST_SECONDS = 2.0
STALE_SECONDS = 3.0
STALLED_SECONDS = 20.0
_FIELDS = {field.name for field in dataclasses.fields(View)}

State = Callable[[], dict[str, Any]]


def ask(pod: Pod, port: int) -> View | None:
    """What the member's agent says of it; None if it doesn't answer, or hasn't looked for a while."""
    connection = http.client.HTTPConnection(pod.host, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/member")
        answer = cast("dict[str, Any]", json.loads(connection.getresponse().read()))
        if answer["idle"] > STALE_SECONDS:
            return None
        # An agent of another version may say more, or less.
        return View(**{key: value for key, value in answer["member"].items() if key in _FIELDS})
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        return None
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Not HTTPServer's: that asks for the host's name, and the DNS may be slow, or closed to the pod."""
        TCPServer.server_bind(self)


def serve(state: State, host: str, port: int) -> ThreadingHTTPServer:
    """Answer in the background: /member to the others, /ready and /alive to the kubelet's probes."""

    class Handler(BaseHTTPRequestHandler):
        # A connection that asks nothing would keep its thread for ever.
        timeout = REQUEST_SECONDS

        def do_GET(self) -> None:
            told = state()
            fine = {
                "/member": True,
                "/ready": bool(told["ready"]),
                "/alive": told["idle"] < STALLED_SECONDS,
            }.get(self.path)
            body = json.dumps(told).encode()
            with suppress(ConnectionError):  # whoever asked has given up
                self.send_response(404 if fine is None else 200 if fine else 503)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come each second; the agent's own lines are the log."""

    server = _Server((host, port), Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
