"""A server of the application and a pod of the balancer in one, as far as the load asks for them."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeApp:
    """Knows one account and keeps what is uploaded. `broken` changes an answer: path → status or "reset"."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.accounts: dict[str, str] = {}
        self.sessions: list[str] = []
        self.broken: dict[str, int | str] = {}
        self.damaged = False
        self.gets = ["app-0"]
        self._numbers = itertools.count()
        app = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.partition("?")[0]
                if app.broken.get(path) == "reset":
                    self.close_connection = True
                    return
                status, told = app.answer(self.command, path, body, self.headers.get("Cookie", ""))
                data = told if isinstance(told, bytes) else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("X-Served-By", "app-0")
                if status == 503:
                    self.send_header("Retry-After", "2")
                if isinstance(told, dict) and "csrf" in told:
                    self.send_header("Set-Cookie", f"session={told['csrf']}; Path=/; HttpOnly")
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, cookie: str) -> tuple[int, Any]:
        if path in self.broken:
            return int(self.broken[path]), {"detail": "broken"}
        user = cookie.removeprefix("session=") in self.sessions
        file = path.split("/")[4] if path.startswith("/api/v1/files/") else ""
        match method, path.removesuffix(file) if file and not path.endswith("/content") else path:
            case "GET", "/healthz" | "/":
                return 200, {"status": "alive"}
            case "GET", "/upstream_status":
                servers = [
                    {"name": name, "gets_requests": name in self.gets, "requests": 7, "failures": 0}
                    for name in ("app-0", "app-1")
                ]
                return 200, {"balancer": "balancer-x", "upstreams": {"site": {"servers": servers}}}
            case "POST", "/api/v1/session" | "/api/v1/users":
                return self._enter(path, json.loads(body))
            case "GET", "/api/v1/session" if user:
                return 200, {"user": {"email": next(iter(self.accounts))}}
            case "DELETE", "/api/v1/session" if user:
                self.sessions.remove(cookie.removeprefix("session="))
                return 204, b""
            case "GET", "/api/v1/files" if user:
                return 200, list(self.files)
            case "POST", "/api/v1/files" if user:
                name = f"f{next(self._numbers)}"
                self.files[name] = body
                return 201, {"id": name, "size": len(body)}
        if file in self.files and user:
            if method == "DELETE":
                del self.files[file]
                return 204, b""
            content = self.files[file]
            if path.endswith("/content"):
                return 200, content[:-1] + b"?" if self.damaged else content
            return 200, {"id": file, "size": len(content)}
        return 401 if not user else 404, {"detail": "no"}

    def _enter(self, path: str, given: dict[str, str]) -> tuple[int, Any]:
        if path.endswith("users"):
            self.accounts[given["email"]] = given["password"]
        if self.accounts.get(given["email"]) != given["password"]:
            return 400, {"detail": "wrong"}
        token = f"t{len(self.sessions)}{len(self.files)}"
        self.sessions.append(token)
        return 201 if path.endswith("users") else 200, {"csrf": token}


def closed_port() -> int:
    """Nobody listens there."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
