"""What stands around each request: its id, limits, headers, log line and figures."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from filewallball.app import logs, metrics
from filewallball.app.services import Services

FORM_BYTES = 256 * 2**10
"""The largest body of a request that is no upload."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"content-security-policy": _POLICY.encode(),
    b"cross-origin-opener-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
}
"""For each answer that says nothing else itself."""


class BodyTooLarge(HTTPException):
    """A body without a length has grown beyond the limit."""

    def __init__(self) -> None:
        super().__init__(413)


class Frame:
    """`uploads`: a pattern of the paths whose bodies may be large; those limit themselves."""

    def __init__(self, app: ASGIApp, services: Services, site: str, uploads: str) -> None:
        self._app, self._services, self._site = app, services, site
        self._uploads = re.compile(uploads)
        self._name = services.settings.name.encode()
        self._under_way = metrics.UNDER_WAY.labels(site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(16)
        logs.request_id.set(request_id)
        started, status, sent = time.perf_counter(), 500, 0

        async def send_framed(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *self._headers(message["headers"], request_id)]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        quiet = scope["path"] in _QUIET
        self._under_way.inc()
        try:
            limited = self._limited(scope, headers, receive)
            if limited is None:
                await _refuse(send_framed)
            else:
                await self._app(scope, limited, send_framed)
        finally:
            self._under_way.dec()
            if not quiet:
                self._tell(scope, status, time.perf_counter() - started, sent)

    def _headers(self, given: list[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
        known = {name.lower() for name, _ in given}
        added = [(name, value) for name, value in HEADERS.items() if name not in known]
        added += [(b"x-request-id", request_id.encode()), (b"x-served-by", self._name)]
        if self._services.draining:  # a balancer then takes another connection
            added.append((b"connection", b"close"))
        return added

    def _limited(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Receive | None:
        """None: the body is too large."""
        if self._uploads.fullmatch(scope["path"]):
            return receive
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > FORM_BYTES:
            return None
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > FORM_BYTES:
                raise BodyTooLarge
            return message

        return receive_limited

    def _tell(self, scope: Scope, status: int, seconds: float, sent: int) -> None:
        route = getattr(scope.get("route"), "path", "none")
        metrics.REQUESTS.labels(self._site, scope["method"], route, str(status)).inc()
        metrics.SECONDS.labels(self._site, route).observe(seconds)
        client: Any = scope.get("client") or ("",)
        logs.request(
            {
                "site": self._site,
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "seconds": round(seconds, 4),
                "bytes": sent,
                "address": client[0],
                "user": scope.get("state", {}).get("user"),
            }
        )


async def _refuse(send: Send) -> None:
    body = b'{"code":"too_large","detail":"The request is larger than what is taken here."}'
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
