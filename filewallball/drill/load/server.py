"""How the drill talks with its pod: HTTP, reached through the API server's proxy.

    GET  clock     the pod's clock
    POST start     a Plan; ends a round that still runs
    GET  progress  how the round goes
    POST finish    ends the round: its Recording. Asked again, the same one
    POST quit      ends the process

and, where a load has more to ask for, POST with a word of its own.

Each path begins with a token that only who made the pod knows. The process ends by itself when nobody has
asked for anything for a while, and takes its keys along.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, Protocol, TypeVar

IDLE_SECONDS = 90.0


class Recorded(Protocol):
    def to_json(self) -> dict[str, Any]: ...


class Running(Protocol):
    """A round: at work from `begin` to `finish` or `abandon`, in threads of its own."""

    @property
    def name(self) -> str: ...
    def begin(self) -> None: ...
    def progress(self) -> dict[str, Any]: ...
    def finish(self) -> Recorded: ...
    def abandon(self) -> None: ...


R = TypeVar("R", bound=Running)
Ask = Callable[[R, dict[str, Any]], dict[str, Any]]


class Load(Generic[R]):
    """What the requests do.

    `make`: a round by its plan's JSON. `more`: what else a round can be asked for.
    """

    def __init__(self, make: Callable[[dict[str, Any]], R], more: Mapping[str, Ask[R]] | None = None) -> None:
        self._make, self._more = make, more or {}
        self._lock = threading.Lock()
        self._round: R | None = None
        self._finished: dict[str, dict[str, Any]] = {}
        self.quit = threading.Event()
        self.asked = time.monotonic()

    def answer(self, method: str, what: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None where there is no such question. Raises LookupError outside of a round."""
        self.asked = time.monotonic()
        actions: dict[tuple[str, str], Callable[[dict[str, Any]], dict[str, Any]]] = {
            ("GET", "clock"): lambda _: {"monotonic": time.monotonic()},
            ("POST", "start"): self._start,
            ("GET", "progress"): lambda _: self._running().progress(),
            ("POST", "finish"): self._finish,
            ("POST", "quit"): self._quit,
        }
        if method == "POST" and what in self._more:
            return self._more[what](self._running(), body)
        action = actions.get((method, what))
        return action(body) if action else None

    def end(self) -> None:
        """End a round that still runs, without asking what it found."""
        with self._lock:
            if self._round:
                self._round.abandon()
                self._round = None

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        if self._round and self._round.name == body.get("round"):
            return {}  # asked twice: the first answer was lost on its way
        self.end()
        with self._lock:
            begun = self._make(body)
            begun.begin()
            self._round = begun
        return {}

    def _finish(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("round"))
        with self._lock:
            if name not in self._finished:
                found = self._running()
                self._finished = {found.name: found.finish().to_json()}
                self._round = None
            return self._finished[name]

    def _running(self) -> R:
        if self._round is None:
            raise LookupError("no round is running")
        return self._round

    def _quit(self, _: dict[str, Any]) -> dict[str, Any]:
        self.quit.set()
        return {}


def run(load: Load[R]) -> None:
    """The whole program of a load's pod. Token and port come by environment."""

    def end(_signal: int, _frame: object) -> None:
        load.quit.set()

    signal.signal(signal.SIGTERM, end)
    serve(load, os.environ["FWB_DRILL_TOKEN"], int(os.environ["FWB_DRILL_PORT"]))


def serve(load: Load[R], token: str, port: int) -> None:
    """Answer until told to quit, or until nobody has asked for IDLE_SECONDS."""
    server = listen(load, token, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not load.quit.wait(1.0):
        if time.monotonic() - load.asked > IDLE_SECONDS:
            break
    load.end()
    server.shutdown()
    server.server_close()


def listen(load: Load[R], token: str, port: int, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104
    """The server, bound, not yet serving."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._reply("GET")

        def do_POST(self) -> None:
            self._reply("POST")

        def _reply(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found = self._answer(method, body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _answer(self, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
            given, _, what = self.path.strip("/").partition("/")
            if given != token:
                return 404, {"message": "no such path"}
            try:
                found = load.answer(method, what, json.loads(body or b"{}"))
            except Exception as error:  # noqa: BLE001 - who asked shall know it
                return 500, {"message": f"{type(error).__name__}: {error}"}
            return (200, found) if found is not None else (404, {"message": "no such path"})

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: a line for each question would be thousands."""

    return ThreadingHTTPServer((host, port), Handler)
