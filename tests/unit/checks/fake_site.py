"""Servers on loopback that answer as the application's do and share what they hold, with faults on demand."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from facts.checks.app import AppServer, AppTarget
from filewallball.app.names import clean_name
from filewallball.checks.config import ChecksConfig


@dataclass
class Shared:
    """What all servers of an application see: the database, the session set and the store."""

    users: dict[str, str] = field(default_factory=dict[str, str])
    sessions: dict[str, str] = field(default_factory=dict[str, str])
    files: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])


class Fake(ThreadingHTTPServer):
    """One server. `answer`: a fault, which may take a request over: it gives a status, or None."""

    daemon_threads = True

    def __init__(self, name: str, shared: Shared) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = self.says = name
        self.users, self.sessions, self.files = shared.users, shared.sessions, shared.files
        self.answer: Callable[[str, str], int | None] = lambda _method, _path: None
        self.change: Callable[[bytes], bytes] = lambda data: data
        self.ranges = True
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Fake
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.route()

    do_POST = do_DELETE = do_GET

    def route(self) -> None:
        here, parts = self.server, urlsplit(self.path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        here.asked.append(f"{self.command} {parts.path}")
        if (fault := here.answer(self.command, parts.path)) is not None:
            return self.reply(fault, {"code": "unavailable"})
        if (self.command, parts.path) == ("POST", "/api/v1/users"):
            told = json.loads(self.body)
            if told["email"] in here.users:
                return self.reply(409, {"code": "email_taken"})
            here.users[told["email"]] = told["password"]
            return self.begin(told["email"], 201)
        if (self.command, parts.path) == ("POST", "/api/v1/session"):
            told = json.loads(self.body)
            right = here.users.get(told["email"]) == told["password"]
            return self.begin(told["email"], 200) if right else self.reply(400, {"code": "wrong_login"})
        cookie = (self.headers.get("Cookie") or "").partition("=")[2]
        email = here.sessions.get(cookie)
        if not email:
            return self.reply(401, {"code": "needs_login"})
        if self.command != "GET" and self.headers.get("X-CSRF-Token") != cookie[:8]:
            return self.reply(403, {"code": "bad_csrf"})
        return self.known(email, cookie, parts.path, parse_qs(parts.query))

    def begin(self, email: str, status: int) -> None:
        cookie = secrets.token_hex(16)
        self.server.sessions[cookie] = email
        self.reply(status, {"csrf": cookie[:8]}, {"Set-Cookie": f"__Host-session={cookie}; HttpOnly; Secure"})

    def known(self, email: str, cookie: str, path: str, query: dict[str, list[str]]) -> None:
        here = self.server
        match self.command, path:
            case "GET", "/api/v1/session":
                self.reply(200, {"user": {"email": email}})
            case "DELETE", "/api/v1/session":
                del here.sessions[cookie]
                self.reply(204)
            case "DELETE", "/api/v1/account":
                del here.users[email]
                for ended in [key for key, who in here.sessions.items() if who == email]:
                    del here.sessions[ended]
                here.files.clear()
                self.reply(204)
            case "POST", "/api/v1/files":
                made = {
                    "id": secrets.token_hex(4),
                    "name": clean_name(query["name"][0]),
                    "size": len(self.body),
                    "sha256": hashlib.sha256(self.body).hexdigest(),
                }
                here.files[made["id"]] = {"told": made, "data": self.body}
                self.reply(201, made)
            case _:
                self.file(path)

    def file(self, path: str) -> None:
        name, _, content = path.removeprefix("/api/v1/files/").partition("/")
        found = self.server.files.get(name)
        if found is None:
            self.reply(404, {"code": "not_found"})
        elif self.command == "DELETE":
            del self.server.files[name]
            self.reply(204)
        elif not content:
            self.reply(200, found["told"])
        else:
            data = self.server.change(found["data"])
            named = {
                "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found['told']['name'], safe='')}"
            }
            asked = self.headers.get("Range", "") if self.server.ranges else ""
            if asked:
                first, last = map(int, asked.removeprefix("bytes=").split("-"))
                data = data[first : last + 1]
            self.reply(206 if asked else 200, data, named)

    def reply(self, status: int, body: Any = b"", headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"X-Served-By": self.server.says, **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def config_of(servers: list[Fake], upload_bytes: int = 2**31) -> ChecksConfig:
    """As the program tells the checks of these servers."""
    told = tuple(AppServer(name=each.name, host="127.0.0.1", port=each.server_address[1]) for each in servers)
    return ChecksConfig(
        "files", disposable=False, sections=(AppTarget(servers=told, upload_bytes=upload_bytes),)
    )
