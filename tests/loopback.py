"""Servers on 127.0.0.1 for tests of clients: an API server that tells who asked, proxies that remember."""

from __future__ import annotations

import base64
import contextlib
import datetime
import http.server
import ipaddress
import json
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates; everything in PEM."""

    def __init__(self, name: str = "test-authority") -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._build(self._name, self._key, [], authority=True)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *hosts: str, groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """A certificate and its key, for a server with `hosts` or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        subject += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in groups]
        certificate = self._build(x509.Name(subject), key, list(hosts))
        return certificate.public_bytes(serialization.Encoding.PEM), as_pem(key)

    def _build(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        hosts: list[str],
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256())


def as_pem(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@dataclass
class Asked:
    """One request, as the server saw it."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    client: str = ""
    """The common name of the client's certificate."""
    server_name: str = ""
    """The name that the client asked for in the TLS handshake."""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class ApiServer:
    """Answers every request with 200 and a version, or with 401 to a token of `refused`.

    The answer to /forever has no end.
    """

    port: int = 0
    asked: list[Asked] = field(default_factory=list[Asked])
    refused: set[str] = field(default_factory=set[str])
    names: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def last(self) -> Asked:
        return self.asked[-1]


@contextlib.contextmanager
def api_server(tls: tuple[bytes, bytes] | None = None, clients: bytes | None = None) -> Iterator[ApiServer]:
    """An API server on a free port; `tls` is its certificate and key, `clients` whom it trusts clients by."""
    state = ApiServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, list(self.headers.items()))
            if isinstance(self.connection, ssl.SSLSocket):
                peer: Any = self.connection.getpeercert() or {}
                asked.client = next(
                    (value for part in peer.get("subject", ()) for key, value in part if key == "commonName"),
                    "",
                )
                asked.server_name = state.names.get(id(self.connection), "")
            state.asked.append(asked)
            refused = (asked.header("Authorization") or "").removeprefix("Bearer ") in state.refused
            body = json.dumps(
                {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"}
                if refused
                else {"gitVersion": "v1.36.3", "major": "1", "minor": "36"}
            ).encode()
            self.send_response(401 if refused else 200)
            self.send_header("Content-Type", "application/json")
            endless = self.path == "/forever"
            self.send_header("Content-Length", str(10**9 if endless else len(body)))
            self.end_headers()
            self.wfile.write(body)
            if endless:
                self.rfile.read(1)  # until the client hangs up

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

        def finish_request(self, request: Any, client_address: Any) -> None:
            if context:
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)

    def remember(connection: ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        state.names[id(connection)] = name or ""

    context = _server_context(*tls, clients) if tls else None
    if context:
        context.sni_callback = remember
    with Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        state.port = server.server_address[1]
        yield state


def _server_context(certificate: bytes, key: bytes, clients: bytes | None = None) -> ssl.SSLContext:
    import tempfile

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(certificate + key)
        context.load_cert_chain(file.name)
    if clients:
        context.load_verify_locations(cadata=clients.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


@contextlib.contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


@dataclass
class Proxy:
    """Where clients wanted to go (`host:port`), and with which Proxy-Authorization."""

    port: int = 0
    targets: list[str] = field(default_factory=list[str])
    logins: list[str] = field(default_factory=list[str])
    routes: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    """Where a target is really; others are themselves."""

    def dial(self, target: str) -> socket.socket:
        self.targets.append(target)
        host, _, port = target.rpartition(":")
        return socket.create_connection(self.routes.get(target, (host.strip("[]"), int(port))), timeout=5)


@contextlib.contextmanager
def proxy(kind: str = "http", tls: tuple[bytes, bytes] | None = None) -> Iterator[Proxy]:
    """A proxy on a free port: `http` (CONNECT, and plain requests) or `socks5`; with `tls`, over TLS."""
    state = Proxy()
    context = _server_context(*tls) if tls else None

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                client = context.wrap_socket(self.request, server_side=True) if context else self.request
                with contextlib.closing(client):
                    (_socks if kind == "socks5" else _http)(client, state)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server, _serving(server):
        state.port = server.server_address[1]
        yield state


def _http(client: socket.socket, state: Proxy) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        if not (more := client.recv(65536)):
            return
        head += more
    request, _, rest = head.decode("latin-1").partition("\r\n")
    method, target, version = request.split()
    for line in rest.split("\r\n"):
        if line.lower().startswith("proxy-authorization: basic "):
            state.logins.append(base64.b64decode(line.split()[-1]).decode())
    if method == "CONNECT":
        with state.dial(target) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            _copy(client, server)
        return
    host, slash, path = target.removeprefix("http://").partition("/")
    with state.dial(host if ":" in host else f"{host}:80") as server:
        server.sendall(f"{method} {slash}{path} {version}\r\n{rest}".encode("latin-1"))
        _copy(client, server)


def _socks(client: socket.socket, state: Proxy) -> None:
    _, count = client.recv(2)
    methods = client.recv(count)
    if 2 in methods and 0 not in methods:
        client.sendall(b"\x05\x02")
        _, length = client.recv(2)
        user = client.recv(length)
        password = client.recv(client.recv(1)[0])
        state.logins.append(f"{user.decode()}:{password.decode()}")
        client.sendall(b"\x01\x00")
    else:
        client.sendall(b"\x05\x00")
    kind = client.recv(4)[3]
    raw = client.recv({1: 4, 4: 16}.get(kind) or client.recv(1)[0])
    host = raw.decode() if kind == 3 else str(ipaddress.ip_address(raw))
    port = int.from_bytes(client.recv(2), "big")
    with state.dial(f"{host}:{port}") as server:
        client.sendall(b"\x05\x00\x00\x01\0\0\0\0\0\0")
        _copy(client, server)


def _copy(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on both ways until one side ends."""
    while True:
        pending = [each for each in (one, other) if isinstance(each, ssl.SSLSocket) and each.pending()]
        for source in pending or select.select([one, other], [], [], 30)[0]:
            if not (data := source.recv(65536)):
                return
            (other if source is one else one).sendall(data)
