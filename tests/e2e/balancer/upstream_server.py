"""A small server of an application, which tells what it got: `upstream_server.py NAME PORT ADMIN_PORT`."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""
    connections = 0
    wbufsize = 65536

    def setup(self) -> None:
        type(self).connections += 1
        super().setup()

    def answer(self) -> None:
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        head = time.time()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(float(asked.get("sleep", ["0"])[0]))
        size = int(asked.get("bytes", ["0"])[0])
        told = {
            "name": self.name,
            "method": self.command,
            "path": url.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "body": len(body),
            "waited_for_body": time.time() - head,
            "connections": self.connections,
        }
        text = b"x" * size if size else json.dumps(told).encode()
        self.send_response(int(asked.get("status", ["200"])[0]))
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Served-By", self.name)
        self.send_header("X-Request-Id", "of the application")
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    name, *ports = sys.argv[1:]
    for kind, port in zip(("", "-admin"), ports, strict=True):
        handler = type("Named", (Handler,), {"name": f"{name}{kind}"})
        server = Server(("127.0.0.1", int(port)), handler)
        threading.Thread(target=server.serve_forever).start()


if __name__ == "__main__":
    main()
