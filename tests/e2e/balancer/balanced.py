"""nginx as the pods run it, over small servers, as plain processes on loopback: no cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx

from components import schema
from components.balancer_conf import Paths, Places, Upstream, render

ROOT = Path(__file__).parents[3]
SERVER = Path(__file__).with_name("upstream_server.py")
HOST = "mincenter.kr"
PATHS = Paths(log_in=["/login"], uploads=["/files"], upload_bytes=4 * 2**20)
PATIENCE_SECONDS = 15.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """What it returns, once that is true."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(httpx.HTTPError, OSError, ValueError):
            if found := what():
                return found
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def open_port(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Application:
    """One server of the application, site and administration."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.upstream = Upstream(name, "127.0.0.1", free_port(), free_port())
        self.start()

    def start(self) -> None:
        ports = (str(self.upstream.site), str(self.upstream.admin))
        self._running = subprocess.Popen([sys.executable, "-S", SERVER, self.name, *ports])

    def wait(self) -> None:
        wait_for(lambda: open_port(self.upstream.site) and open_port(self.upstream.admin))

    def kill(self) -> None:
        self._running.kill()
        self._running.wait()

    def freeze(self) -> None:
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._running.send_signal(signal.SIGCONT)


def start(servers: list[Application]) -> None:
    for each in servers:
        each.start()
    for each in servers:
        each.wait()


class Balancer:
    """A pod of the balancer: nginx by the pods' own script, and what runs beside it."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        servers: list[Application],
        secrets: Path | None = None,
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.site, self.tls, self.admin, self.status = (free_port() for _ in range(4))
        self.log = free_port()
        self.config = folder / "etc"
        self.config.mkdir()
        quick = {"shutdown_seconds": 5, "silence_seconds": 1}
        self.settings = schema.Balancer(**quick | settings)
        ports = (self.site, self.tls, self.admin, self.status, self.log)
        places = Places(str(self.config), str(folder), f"{folder}/tmp", *ports, "127.0.0.1:")
        texts = render(self.settings, [each.upstream for each in servers], PATHS, places)
        for name, text in texts.items():
            moved = text.replace("/secrets/", f"{secrets}/") if secrets else text
            if name == "nginx.conf" and os.geteuid() == 0:  # in a pod no process is root's
                moved = f"user root;\n{moved}"
            (self.config / name).write_text(moved, encoding="utf-8")
        (folder / "bin").mkdir(exist_ok=True)
        (folder / "bin" / "nginx").write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (folder / "bin" / "nginx").chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "FWB_CONFIG": str(self.config),
            "FWB_RUN": str(folder),
            "FWB_TMP": f"{folder}/tmp",
            "FWB_UPSTREAMS": f"{self.config}/upstreams.json",
            "FWB_LOG_PORT": str(self.log),
            "FWB_DRAIN_SECONDS": str(settings.get("drain_seconds", 0)),
            "HOSTNAME": "balancer-1",
            "PYTHONPATH": str(ROOT),
        }
        self.url = f"http://127.0.0.1:{self.site}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.client = httpx.Client(base_url=self.url, headers={"Host": HOST}, timeout=10, trust_env=False)

    def test(self) -> subprocess.CompletedProcess[str]:
        """What nginx says of the configuration."""
        return subprocess.run(
            ["/bin/sh", "-c", 'ulimit -S -n 1024; exec /bin/sh "$0"', self.config / "test.sh"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> Balancer:
        self.start_beside()
        script = ["/bin/sh", self.config / "start.sh"]
        with (self.folder / "access.log").open("ab") as out, (self.folder / "error.log").open("ab") as err:
            self._running["nginx"] = subprocess.Popen(script, env=self.environment, stdout=out, stderr=err)
        wait_for(lambda: open_port(self.status), 5)
        return self

    def start_beside(self) -> None:
        path = self.folder / "status.sock"
        path.unlink(missing_ok=True)
        self._running["beside"] = subprocess.Popen(
            [sys.executable, "-m", "filewallball.balancer"], env=self.environment
        )
        wait_for(path.exists, 5)

    @property
    def nginx(self) -> subprocess.Popen[bytes]:
        return self._running["nginx"]

    @property
    def beside(self) -> subprocess.Popen[bytes]:
        return self._running["beside"]

    def get(self, path: str = "/", **more: Any) -> httpx.Response:
        return self.client.get(path, **more)

    def states(self, group: str = "site") -> dict[str, dict[str, Any]]:
        """Name → what /upstream_status tells of the server."""
        told = httpx.get(f"http://127.0.0.1:{self.status}/upstream_status", trust_env=False).json()
        return {each["name"]: each for each in told["upstreams"][group]["servers"]}

    def stop(self) -> None:
        self.client.close()
        running = [each for each in self._running.values() if each.poll() is None]
        for each in running:
            each.terminate()
        for each in running:
            try:
                each.wait(10)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


@contextlib.contextmanager
def applications(count: int = 3) -> Iterator[list[Application]]:
    found = [Application(f"app-{number}") for number in range(count)]
    try:
        for each in found:
            each.wait()
        yield found
    finally:
        for each in found:
            each.kill()
