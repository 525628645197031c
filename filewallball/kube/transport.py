"""One API server over HTTP: credentials, retries, and errors that name the server."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

import httpcore2
import httpx2 as httpx

from filewallball.errors import WORK_BEGUN
from filewallball.kube import config
from filewallball.kube.errors import KubeError, Unreachable
from filewallball.kube.session import Session

READ_TIMEOUT = 35.0
"""Seconds without a byte of an answer."""
SWITCHED = 101
"""The status code by which the server agrees to another protocol."""
FIRST_BYTES = 65_536
"""Of what a server sends by its own, at the most."""
CLOSE_SECONDS = 2.0
"""How long requests of other threads may take to end when the client is closed."""
BUSY = frozenset({429, 503})
"""Status codes by which the server says "not now"."""
SLOW = ("etcdserver: ", "error dialing backend")
"""What the server says with status 500 when etcd or a kubelet was too slow to answer it."""
Content = Literal["plain", "merge", "json", "strategic", "apply"]
CONTENT_TYPES: dict[Content, str] = {
    "plain": "application/json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class _Request:
    """One that is under way; `answer` is set while a stream is read."""

    answer: httpx.Response | None = None

    def hang_up(self) -> None:
        """End the stream: whoever reads it finds its end."""
        stream = self.answer.extensions.get("network_stream") if self.answer else None
        if stream and (found := stream.get_extra_info("socket")):
            with suppress(OSError):
                # not its own method: an SSLSocket's would go on in plain text
                socket.socket.shutdown(found, socket.SHUT_RDWR)


class Transport:
    """Sends requests, and sends again what is safe to repeat, for `patience` seconds at most."""

    def __init__(
        self,
        http: httpx.Client | Session,
        *,
        server: str,
        context: str,
        patience: float,
        namespace: str = "default",
    ) -> None:
        self.server = server
        self.context = context
        self.namespace = namespace
        self._http = http
        self._patience = patience
        self._answered = threading.Event()
        self._calm = threading.Condition()
        self._under_way: dict[_Request, int] = {}
        self._closed = False

    @classmethod
    def connect(cls, kubeconfig: str | Path | None, context: str | None, patience: float) -> Self:
        """Read the kubeconfig and its credentials; nothing is sent yet. Raises ConfigError."""
        access = config.load(kubeconfig, context)
        http = Session(access, httpx.Timeout(READ_TIMEOUT, connect=5.0, pool=None))
        names = {"server": access.server, "context": access.context, "namespace": access.namespace}
        return cls(http, patience=patience, **names)

    def close(self) -> None:
        """Drop all connections.

        Those that other threads read from are hung up, and closed by these threads: a socket that is closed
        under its reader leaves its number to the next connection, whose bytes the reader would then take.
        """
        with self._calm:
            self._closed = True
            for request in self._under_way:
                request.hang_up()
            me = threading.get_ident()
            self._calm.wait_for(lambda: set(self._under_way.values()) <= {me}, CLOSE_SECONDS)
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        content: Content = "plain",
        repeat: bool = True,
    ) -> dict[str, Any]:
        """Send and return the JSON answer. `repeat=False` for what must not be carried out twice."""
        return self.send(method, path, params, body=body, content=content, repeat=repeat).json()

    def send(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        content: Content = "plain",
        accept: str = "application/json",
        repeat: bool = True,
    ) -> httpx.Response:
        """Send until answered. Raises KubeError, and Unreachable when patience is at its end."""
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = CONTENT_TYPES[content]
            data = json.dumps(body).encode()
        # a server that never answered is more likely misconfigured than restarting
        deadline = time.monotonic() + (
            self._patience if self._answered.is_set() else min(1.0, self._patience)
        )
        pause = 0.1
        while True:
            late = time.monotonic() + pause > deadline
            try:
                with self._tracked():
                    answer = self._http.request(
                        method, path, params=present(params), content=data, headers=headers
                    )
                if late or not (answer.status_code in BUSY or (repeat and was_slow(answer))):
                    self._answered.set()
                    raise_for(answer)
                    if method != "GET" and "dryRun" not in (params or {}):
                        WORK_BEGUN.set()
                    return answer
            except httpx.TransportError as error:
                sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if late or (sent and not repeat):
                    raise self.unreachable(error) from error
            time.sleep(pause)
            pause = min(pause * 2, 2.0)

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, Any], *, silence: float | None
    ) -> Generator[httpx.Response]:
        """A GET whose answer is read line by line; `silence`: seconds without any that mean it is dead."""
        timeout = httpx.Timeout(READ_TIMEOUT, connect=5.0, read=silence, pool=None)
        with (
            self._tracked() as request,
            self._http.stream("GET", path, params=present(params), timeout=timeout) as answer,
        ):
            with self._calm:
                request.answer = answer
                if self._closed:
                    request.hang_up()
            raise_for(answer)
            yield answer

    @contextmanager
    def upgraded(
        self, path: str, params: Mapping[str, Any], protocol: str
    ) -> Generator[tuple[socket.socket, bytes]]:
        """A GET that goes on as a WebSocket: its connection, and the first bytes that came on it.

        `protocol`: one in which the server speaks first. Raises KubeError, Unreachable.
        """
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocol,
        }
        try:
            with (
                self._tracked() as request,
                self._http.stream("GET", path, params=present(params), headers=headers) as answer,
            ):
                request.answer = answer
                raise_for(answer)
                stream: Any = answer.extensions["network_stream"]
                plain = stream.get_extra_info("socket")
                if answer.status_code != SWITCHED or not isinstance(plain, socket.socket):
                    raise KubeError(answer.status_code, "", "The API server does not open the connection")
                # They may have come together with the answer's head.
                yield plain, stream.read(FIRST_BYTES, READ_TIMEOUT)
        except (httpx.TransportError, httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            raise self.unreachable(error) from error

    @contextmanager
    def _tracked(self) -> Generator[_Request]:
        request = _Request()
        with self._calm:
            if self._closed:
                raise RuntimeError(f"the client of {self.server} is closed")
            self._under_way[request] = threading.get_ident()
        try:
            yield request
        finally:
            with self._calm:
                del self._under_way[request]
                self._calm.notify_all()

    def unreachable(self, error: Exception) -> Unreachable:
        """The error to raise for a connection that failed for good."""
        return Unreachable(self.server, self.context, str(error) or type(error).__name__)


def present(params: Mapping[str, Any] | None) -> dict[str, str]:
    """Only the parameters that were given."""
    return {key: str(value) for key, value in (params or {}).items() if value is not None}


def was_slow(answer: httpx.Response) -> bool:
    """Whether the server gave up waiting for another one: what was asked for may have been done."""
    return answer.status_code == 504 or (
        answer.status_code == 500 and any(words in answer.text for words in SLOW)
    )


def raise_for(answer: httpx.Response) -> None:
    """Raise the KubeError that the answer holds, if it holds one."""
    if answer.is_error:
        answer.read()
        raise KubeError.from_body(answer.status_code, answer.text)
