"""A small S3 store that behaves as one is told to: a store for every oddity that is known of some."""

from __future__ import annotations

import hashlib
import io
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

TIME = "2026-03-01T02:00:00.000Z"
PAGE = 3
"""How many names the old way of listing gives at once."""


@dataclass
class Odd:
    """How the store differs from AWS, and what it holds: keys with their content.

    `checksums`: taken, refused, or kept (as part of the object). `condition`: honoured, 501 or ignored; of
    uploads in parts `parts_condition`. `listing`: 2, or 1 where the newer way is unknown or refused (`501`).
    `failing`: codes that are answered to the next requests. `token`: must come with every request.
    By what is asked (`PUT p/name`, `PUT p/name part 7`, `POST p/name begin` or `end`): `refusing` answers a
    code each time, `lost` does it once and never answers, `slow` lets the client wait until it gives up.
    """

    checksums: str = "taken"
    condition: str = "honoured"
    parts_condition: str = "honoured"
    listing: str = "2"
    failing: list[tuple[int, str]] = field(default_factory=list)
    token: str | None = None
    refusing: dict[str, tuple[int, str]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    slow: frozenset[str] = frozenset()
    virtual: bool = False
    loses: bool = False
    objects: dict[str, bytes] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    endpoint: str = ""


class Handler(BaseHTTPRequestHandler):
    odd: Odd
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        key, query = self._asked()
        if self._refused():
            return
        if key:
            if key in self.odd.objects:
                self._answer(200, self.odd.objects[key])
            else:
                self._error(404, "NoSuchKey")
            return
        old = "list-type" not in query or self.odd.listing == "1"
        if not old and self.odd.listing == "501":
            self._error(501, "NotImplemented")
            return
        prefix = query.get("prefix", [""])[0]
        found = sorted(name for name in self.odd.objects if name.startswith(prefix))
        cut = False
        if old:
            found = [name for name in found if name > query.get("marker", [""])[0]]
            found, cut = found[:PAGE], len(found) > PAGE
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(self.odd.objects[name])}</Size>"
            f"<LastModified>{TIME}</LastModified></Contents>"
            for name in found
        )
        truncated = f"<IsTruncated>{str(cut).lower()}</IsTruncated>"
        self._answer(200, f"<ListBucketResult>{truncated}{items}</ListBucketResult>".encode())

    def do_HEAD(self) -> None:
        key, _ = self._asked()
        if self._refused():
            return
        found = self.odd.objects.get(key)
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()

    def do_PUT(self) -> None:
        data = self._body()
        key, query = self._asked()
        if self._refused():
            return
        sent = [name for name in self.headers if name.lower().startswith("x-amz-checksum-")]
        sent += ["trailer"] if "x-amz-trailer" in self.headers else []
        if sent and self.odd.checksums == "refused":
            self._error(400, "InvalidArgument")
            return
        if sent and self.odd.checksums == "kept":
            data += b"\r\nx-amz-checksum-crc32:AAAAAA==\r\n"
        if "partNumber" in query:
            self.odd.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = data
        elif not self._may(key, self.odd.condition):
            return
        else:
            self.odd.objects[key] = b"" if self.odd.loses else data
        self._answer(200, b"", {"ETag": f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'})

    def do_POST(self) -> None:
        self._body()
        key, query = self._asked()
        if self._refused():
            return
        if "uploads" in query:
            number = f"u{len(self.odd.uploads)}"
            self.odd.uploads[number] = {}
            self._answer(200, f"<R><UploadId>{number}</UploadId></R>".encode())
            return
        if self._may(key, self.odd.parts_condition):
            parts = self.odd.uploads.pop(query["uploadId"][0])
            self.odd.objects[key] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, b"<R><ETag>e</ETag></R>")

    def do_DELETE(self) -> None:
        key, query = self._asked()
        if self._refused():
            return
        if "uploadId" in query:
            self.odd.uploads.pop(query["uploadId"][0], None)
        else:
            self.odd.objects.pop(key, None)
        self._answer(204, b"")

    def _asked(self) -> tuple[str, dict[str, list[str]]]:
        found = urlsplit(self.path)
        path = unquote(found.path).removeprefix("/")
        if not self.odd.virtual:
            path = path.partition("/")[2]
        query = parse_qs(found.query, keep_blank_values=True)
        self.what = f"{self.command} {path}"
        if "partNumber" in query:
            self.what += f" part {query['partNumber'][0]}"
        elif self.command == "POST":
            self.what += " begin" if "uploads" in query else " end"
        self.odd.seen.append(self.what)
        return path, query

    def _may(self, key: str, condition: str) -> bool:
        if "If-None-Match" not in self.headers or condition == "ignored":
            return True
        if condition == "501":
            self._error(501, "NotImplemented")
            return False
        if key in self.odd.objects:
            self._error(412, "PreconditionFailed")
            return False
        return True

    def _refused(self) -> bool:
        if self.odd.failing:
            self._error(*self.odd.failing.pop(0))
            return True
        if self.what in self.odd.refusing:
            self._error(*self.odd.refusing[self.what])
            return True
        if self.what in self.odd.slow:
            self.connection.settimeout(10)
            self.rfile.read(1)  # comes to its end when the client closes the connection
            self.close_connection = True
            return True
        if self.odd.token and self.headers.get("x-amz-security-token") != self.odd.token:
            self._error(403, "InvalidToken")
            return True
        if self.odd.virtual and not self.headers["Host"].startswith("bucket."):
            self._error(404, "NoSuchBucket")
            return True
        return False

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = _unpacked(self.rfile)
            while self.rfile.readline().strip():
                pass
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunked = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return _unpacked(io.BytesIO(data)) if chunked else data

    def _error(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        self._answer(status, b"" if self.command == "HEAD" else body)

    def _answer(self, status: int, body: bytes, headers: Any = ()) -> None:
        if self.what in self.odd.lost:
            self.odd.lost.remove(self.what)
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _unpacked(stream: Any) -> bytes:
    """What chunks hold, up to the last and empty one: HTTP's and S3's are written alike."""
    plain = b""
    while count := int(stream.readline().split(b";")[0], 16):
        plain += stream.read(count)
        stream.readline()
    return plain


@contextmanager
def odd_store(odd: Odd, certificate: tuple[Path, Path] | None = None) -> Iterator[Odd]:
    """The store on a loopback port; with a certificate and its key it speaks TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Handler,), {"odd": odd}))
    server.daemon_threads = True
    odd.endpoint = f"http://127.0.0.1:{server.server_port}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        odd.endpoint = odd.endpoint.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield odd
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def private_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that no public authority has signed, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "ca.crt", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, private
