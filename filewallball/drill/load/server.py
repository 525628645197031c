"""How the drill talks with its pod: HTTP, reached through the API server's proxy.

    GET  clock     the pod's clock
    POST start     a Plan; ends a round that still runs
    GET  progress  how the round goes
    POST save      has a member write its RDB file
    POST finish    ends the round: its Recording. Asked again, the same one
    POST quit      ends the process

Each path begins with a token that only who made the pod knows. The process ends by itself when nobody has
asked for anything for a while, and takes its keys along.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from filewallball.drill.load.recording import Plan
from filewallball.drill.load.round import Connect, Passwords, Round

IDLE_SECONDS = 90.0


class Load:
    """What the requests do."""

    def __init__(self, passwords: Passwords, connect: Connect, ca_file: str | None = None) -> None:
        self._ca_file = ca_file
        self._passwords, self._connect = passwords, connect
        self._lock = threading.Lock()
        self._round: Round | None = None
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
            ("POST", "save"): lambda body: {"saved": self._running().save(str(body.get("member")))},
            ("POST", "finish"): self._finish,
            ("POST", "quit"): self._quit,
        }
        action = actions.get((method, what))
        return action(body) if action else None

    def end(self) -> None:
        """End a round that still runs, without asking what it found."""
        with self._lock:
            if self._round:
                self._round.stop()
                self._round.clean_up()
                self._round = None

    def _start(self, body: dict[str, Any]) -> dict[str, Any]:
        plan = Plan.from_json(body)
        if self._round and self._round.plan.round == plan.round:
            return {}  # asked twice: the first answer was lost on its way
        self.end()
        with self._lock:
            begun = Round(plan, self._passwords, self._connect, self._ca_file)
            begun.begin()
            self._round = begun
        return {}

    def _finish(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("round"))
        with self._lock:
            if name not in self._finished:
                found = self._running()
                self._finished = {found.plan.round: found.finish().to_json()}
                self._round = None
            return self._finished[name]

    def _running(self) -> Round:
        if self._round is None:
            raise LookupError("no round is running")
        return self._round

    def _quit(self, _: dict[str, Any]) -> dict[str, Any]:
        self.quit.set()
        return {}


def serve(load: Load, token: str, port: int) -> None:
    """Answer until told to quit, or until nobody has asked for IDLE_SECONDS."""
    server = listen(load, token, port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while not load.quit.wait(1.0):
        if time.monotonic() - load.asked > IDLE_SECONDS:
            break
    load.end()
    server.shutdown()
    server.server_close()


def listen(load: Load, token: str, port: int, host: str = "0.0.0.0") -> ThreadingHTTPServer:  # noqa: S104
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
