"""Connections to ports of pods, through an API server that passes on what it gets."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from loopback import Authority
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping

from filewallball.errors import UserError
from filewallball.kube import Kube
from filewallball.stability.forwarded import forwarded
from filewallball.stability.tunnel import Tunnel

AUTHORITY = Authority()
CERTIFICATE, KEY = AUTHORITY.issue("server", "127.0.0.1")
PORT = 6379
LARGE = bytes(range(256)) * 8192
POD = {"resource": "pods", "scope": "Namespaced", "responseKind": {"kind": "Pod"}}
GROUP: dict[str, Any] = {"metadata": {}, "versions": [{"version": "v1", "resources": [POD]}]}
"""What the API server is asked for first."""
Answers = Callable[[bytes], bytes]


def frame(channel: int, content: bytes) -> BytesMessage:
    return BytesMessage(bytes([channel]) + content)


def serve(listener: socket.socket, context: ssl.SSLContext, answer: Answers, status: str, why: bytes) -> None:
    """Requests one after the other: the upgrade, then whatever comes back as `answer` makes it."""
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        with context.wrap_socket(plain, server_side=True) as connection:
            head = b""
            while b"\r\n\r\n" not in head and (more := connection.recv(4096)):
                head += more
            if not head:
                continue
            if b"/portforward" not in head:
                body = json.dumps({"items": [GROUP]}).encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
                )
                connection.sendall(body)
                continue
            key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            mark = key.split(b": ")[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            accept = base64.b64encode(hashlib.sha1(mark, usedforsecurity=False).digest())
            if status != "101 Switching Protocols":
                body = json.dumps(
                    {"kind": "Status", "message": "not allowed", "reason": "Forbidden"}
                ).encode()
                connection.sendall(
                    b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status.encode(), len(body))
                )
                connection.sendall(body)
                continue
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            talk(connection, head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n", answer, why)


def talk(connection: ssl.SSLSocket, head: bytes, answer: Answers, why: bytes) -> None:
    """The first frames come with the answer's head, as they may."""
    frames = Connection(ConnectionType.SERVER)
    out = [frame(0, PORT.to_bytes(2, "little")), frame(1, PORT.to_bytes(2, "little")), Ping(b"are you there")]
    out += [frame(1, why)] if why else []
    connection.sendall(head + b"".join(map(frames.send, out)))
    part = b""
    while data := connection.recv(65536):
        frames.receive_data(data)
        for event in frames.events():
            if isinstance(event, CloseConnection):
                return
            if isinstance(event, BytesMessage):
                part += event.data
                if event.message_finished:
                    connection.sendall(frames.send(frame(0, answer(part[1:]))))
                    part = b""


@contextmanager
def api(
    folder: Path, answer: Answers, status: str = "101 Switching Protocols", why: bytes = b""
) -> Generator[Kube]:
    (folder / "cert").write_bytes(CERTIFICATE + KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context, answer, status, why), daemon=True).start()
        content = {
            "current-context": "c",
            "clusters": [
                {
                    "name": "c",
                    "cluster": {
                        "server": f"https://127.0.0.1:{listener.getsockname()[1]}",
                        "certificate-authority-data": base64.b64encode(AUTHORITY.pem).decode(),
                    },
                }
            ],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        with Kube.connect(json.dumps(content), patience=0) as kube:
            yield kube
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (part := connection.recv(65536)):
        found += part
    return found


def test_what_is_sent_comes_back_whole(tmp_path: Path) -> None:
    with (
        api(tmp_path, lambda data: data.swapcase()) as kube,
        forwarded(kube, "valkey-0", "n", PORT) as address,
        socket.create_connection((address.host, address.port), 10) as connection,
    ):
        connection.sendall(b"ping")
        assert read(connection, 4) == b"PING"
        sender = threading.Thread(target=connection.sendall, args=(LARGE,))
        sender.start()
        assert read(connection, len(LARGE)) == LARGE.swapcase()
        sender.join()


def test_why_there_is_no_connection(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for options in ({"status": "403 Forbidden"}, {"why": b"not allowed: no such port"}):
        with (
            api(tmp_path, bytes, **options) as kube,  # type: ignore[arg-type]
            forwarded(kube, "valkey-0", "n", PORT) as address,
            socket.create_connection((address.host, address.port), 10) as connection,
        ):
            assert connection.recv(1) == b""
        assert "not allowed" in capfd.readouterr().err


@pytest.mark.parametrize("said", [b"", b"PING\r\n"])
def test_both_sides_may_end_at_the_same_time(said: bytes) -> None:
    (remote, server), (local, client) = socket.socketpair(), socket.socketpair()
    with remote, local, suppress(OSError):  # as with any connection that is gone
        server.close()
        client.sendall(said)
        client.close()
        Tunnel(remote, b"").pump(local)


def test_the_reason_is_raised(tmp_path: Path) -> None:
    with (
        api(tmp_path, bytes, status="403 Forbidden") as kube,
        pytest.raises(UserError, match="not allowed"),
        kube.forwarded("valkey-0", "n", PORT),
    ):
        pass
