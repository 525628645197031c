"""A registry in memory, on a loopback port: tags, blobs, and a log-in by token, by password, or none."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakeRegistry:
    """`log_in`: none, token, basic. `users`: who may, by name → password; empty: anybody gets a token."""

    log_in: str = "none"
    users: dict[str, str] = field(default_factory=dict)
    tells_digest: bool = True
    knows_referrers: bool = True
    """As registries do since OCI 1.1."""
    takes_referrers: bool = True
    tags: dict[tuple[str, str], bytes] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    scopes: list[str] = field(default_factory=list)
    status: int = 0
    """Answered to everything, if set."""
    port: int = 0

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    def put(self, repository: str, tag: str, content: str = "{}") -> str:
        """Give the repository an image; its digest."""
        self.tags[repository, tag] = content.encode()
        return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"

    def knows(self, header: str) -> bool:
        kind, _, value = header.partition(" ")
        if self.log_in == "none":
            return True
        if kind == "Basic":
            user, _, password = base64.b64decode(value).decode().partition(":")
            return self.log_in == "basic" and self.users.get(user) == password
        return self.log_in == "token" and value == "good"


def handler_of(registry: FakeRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def any(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size)
            parts = urlsplit(self.path)
            registry.asked.append(f"{self.command} {parts.path}")
            if parts.path == "/token":
                self.token({**parse_qs(parts.query), **parse_qs(body.decode())})
                return
            if registry.status:
                self.answer(registry.status, b'{"errors": [{"message": "as told"}]}')
                return
            if not registry.knows(self.headers.get("authorization", "")):
                realm = f'realm="http://{registry.name}/token",service="fake",scope="repository:x:pull"'
                kind = f"Bearer {realm}" if registry.log_in == "token" else 'Basic realm="fake"'
                self.answer(
                    401, b'{"errors": [{"message": "authentication required"}]}', WWW_Authenticate=kind
                )
                return
            self.route(parts.path.removeprefix("/v2/"), parse_qs(parts.query), body)

        do_GET = do_HEAD = do_POST = do_PUT = any

        def token(self, query: dict[str, list[str]]) -> None:
            registry.scopes += query.get("scope", [])
            sent = self.headers.get("authorization", "").removeprefix("Basic ")
            user, _, password = base64.b64decode(sent).decode().partition(":")
            refreshed = query.get("refresh_token") == ["refresh"]
            if registry.users and registry.users.get(user) != password and not refreshed:
                self.answer(401)
            else:
                self.answer(200, b'{"token": "good"}')

        def route(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
            repository, _, rest = path.partition("/manifests/")
            if rest and self.command == "PUT" and b"artifactType" in body and not registry.takes_referrers:
                self.answer(400, b'{"errors": [{"code": "MANIFEST_INVALID"}]}')
            elif rest and self.command == "PUT":
                registry.tags[repository, rest] = body
                subject = json.loads(body).get("subject") if registry.knows_referrers else None
                self.answer(201, **({"OCI_Subject": subject["digest"]} if subject else {}))
            elif rest:
                content = registry.tags.get((repository, rest))
                if content is None:
                    self.answer(404, b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}')
                    return
                digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
                told = {"Docker_Content_Digest": digest} if registry.tells_digest else {}
                self.answer(200, content, **told)
            elif path.endswith("/blobs/uploads/") and self.command == "POST":
                self.answer(202, Location="/v2/up/load?state=1")
            elif path == "up/load":
                assert query["state"] == ["1"]
                [digest] = query["digest"]
                assert digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
                registry.blobs[digest] = body
                self.answer(201)
            else:
                self.answer(200 if path.rpartition("/blobs/")[2] in registry.blobs else 404)

    return Handler


@contextmanager
def serving(**options: Any) -> Iterator[FakeRegistry]:
    registry = FakeRegistry(**options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(registry))
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_config(folder: Any, **content: Any) -> None:
    """Docker's own configuration, as `docker login` leaves it."""
    (folder / "config.json").write_text(json.dumps(content))
