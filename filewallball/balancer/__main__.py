"""`python -m filewallball.balancer`: listens to nginx, and answers /upstream_status to it over a socket."""

from __future__ import annotations

import os
import signal
import socketserver
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from facts.balancer import LOG_PORT, PID_FILE, RUN_PATH, STATUS_SOCKET, UPSTREAMS_FILE, read
from facts.pods import config_file
from filewallball.balancer import page
from filewallball.balancer.watch import Watch, opened

FILE_VARIABLE = "FWB_UPSTREAMS"
RUN_VARIABLE = "FWB_RUN"
LOG_VARIABLE = "FWB_LOG_PORT"
_ANSWER_SECONDS = 5
_LOOK_SECONDS = 0.2


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    timeout = _ANSWER_SECONDS

    def __init__(self, watch: Watch, *rest: Any) -> None:
        self._watch = watch
        super().__init__(*rest)

    def do_GET(self) -> None:
        found = self._watch.document()
        html = self._wants_html()
        body = (page.as_html(found) if html else page.as_json(found)).encode()
        kind = "text/html" if html else "application/json"
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(body)

    def _wants_html(self) -> bool:
        """Browsers name HTML; all else gets JSON."""
        asked = parse_qs(urlsplit(self.path).query).get("format", [""])[0]
        if asked in ("html", "json"):
            return asked == "html"
        return "text/html" in self.headers.get("Accept", "")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: nginx logs requests."""


def main() -> int:
    run = Path(os.environ.get(RUN_VARIABLE, RUN_PATH))
    file = Path(os.environ.get(FILE_VARIABLE, config_file(UPSTREAMS_FILE)))
    watch = Watch(os.environ.get("HOSTNAME", "balancer"), read(file.read_text(encoding="utf-8")), run, _say)
    # Waited for, not handled: a handler may come while a lock is held that it needs itself.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    stopping = threading.Event()
    sock = opened(int(os.environ.get(LOG_VARIABLE, LOG_PORT)))
    listening = threading.Thread(target=watch.listen, args=(sock, stopping), daemon=True)
    listening.start()
    path = run / STATUS_SOCKET
    path.unlink(missing_ok=True)
    asked = None
    with _Server(str(path), partial(_Handler, watch)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while listening.is_alive() and not asked:
            asked = signal.sigtimedwait(signals, _LOOK_SECONDS)
        # nginx serves on for a while, and so does its page.
        while listening.is_alive() and (run / PID_FILE).exists():
            time.sleep(_LOOK_SECONDS)
        stopping.set()
        server.shutdown()
    listening.join()
    return 0 if asked else 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
