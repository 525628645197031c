"""A real Redis, run by the pod's own scripts on this machine, and the guard beside it."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from string import Template
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

SCRIPTS = Path(__file__).parents[3] / "components" / "files" / "redis"
PATHS = ("/run/redis", "/etc/filewallball", "/secrets")
PORT = 6379
_NUMBERS = itertools.count(1)
SHARE, RESERVE = 60, 40
GUARD = """
import pathlib, sys
import filewallball.guard.__main__ as guard
guard.RUN, guard.LOOKED, guard.SECRETS = map(pathlib.Path, sys.argv[1:])
sys.exit(guard.main())
"""


class Cache:
    """The pod's folders below a folder of the test, and the two processes of the pod."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.guard: subprocess.Popen[bytes] | None = None
        self.host = f"127.78.{os.getpid() % 250}.{next(_NUMBERS)}"
        self.passwords = {user: secrets.token_urlsafe(12) for user in ("app", "checks")}
        for path in (*PATHS, "/bin", "/secrets/redis-credentials"):
            (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for user, password in self.passwords.items():
            (root / f"secrets/redis-credentials/{user}-password").write_text(password)
        values = {"maxmemory": "64mb", "maxclients": str(SHARE + RESERVE)}
        for file in SCRIPTS.iterdir():
            text = file.read_text()
            if file.suffix == ".conf":
                text = Template(text).substitute(values)
                text = text.replace("bind * -::*", f"bind {self.host}")
            text = text.replace("127.0.0.1", self.host)
            for path in PATHS:
                text = text.replace(path, f"{root}{path}")
            (root / "etc/filewallball" / file.name).write_text(text)
        found = shutil.which("redis-check-rdb")
        assert found, "`make test` installs redis-tools, which brings the server under another name"
        (root / "bin/redis-server").symlink_to(found)
        self.server = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with (self.root / "log").open("ab") as log:
            self.server = subprocess.Popen(
                ["/bin/sh", self.root / "etc/filewallball/start.sh"],
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait(lambda: self.probe("alive")[0], "the server answers")
        return self.server

    def restart(self) -> None:
        """As the kubelet does: the guard's container lives on."""
        self.server.terminate()
        self.server.wait()
        self._start()

    @property
    def _environment(self) -> dict[str, str]:
        return {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "FWB_MAX_CONNECTIONS": str(SHARE)}

    def start_guard(self) -> None:
        with (self.root / "guard.log").open("ab") as log:
            self.guard = subprocess.Popen(
                [
                    sys.executable, "-c", GUARD, self.root / "run/redis", self.root / "looked",
                    self.root / "secrets/redis-credentials",
                ],
                env=self._environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.wait(lambda: self.probe("ready")[0], "the guard has opened the port")

    def stop_guard(self) -> None:
        if self.guard:
            self.guard.terminate()
            assert self.guard.wait(20) == 0, self.said()
            assert (self.root / "looked").exists()
            self.guard = None

    def said(self) -> str:
        return (self.root / "guard.log").read_text()

    def client(self, user: str, **options: Any) -> Any:
        """By the port, as pods come in; nothing is tried again."""
        return Redis(
            host=self.host, username=user, password=self.passwords[user], protocol=2, decode_responses=True,
            socket_timeout=5, single_connection_client=False, retry=Retry(NoBackoff(), 0), **options,
        )  # fmt: skip

    def login(self, user: str) -> str:
        return f"AUTH {user} {self.passwords[user]}\r\n"

    def probe(self, kind: str) -> tuple[bool, str]:
        script = self.root / "etc/filewallball/probe.sh"
        done = subprocess.run(["/bin/sh", script, kind], capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stdout + done.stderr

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        last: object = None
        while True:
            try:
                if last := condition():
                    return
            except (RedisError, OSError) as error:
                last = error
            log = (self.root / "log").read_text()[-2000:]
            assert self.server.poll() is None, log
            assert time.monotonic() < deadline, f"not in {seconds} s: {what}; last seen: {last}\n{log}"
            time.sleep(0.05)

    def close(self) -> None:
        for process in (self.guard, self.server):
            if process:
                process.kill()
                process.wait()
