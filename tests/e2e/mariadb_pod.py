"""MariaDB as its pod runs it: the pod's own scripts, with the pod's folders below a folder of the test."""

from __future__ import annotations

import itertools
import os
import pwd
import re
import subprocess
import time
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "components" / "files" / "mariadb"
PATHS = ("/var/lib/mysql", "/run/mysqld", "/etc/filewallball", "/secrets")
_NUMBERS = itertools.count(1)
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
ENVIRONMENT = {
    "PATH": f"{os.environ['PATH']}:/usr/sbin",
    "FWB_BUFFER_POOL_BYTES": "33554432",
    "FWB_MAX_CONNECTIONS": "20",
    "FWB_RESERVED_CONNECTIONS": "10",
    "FWB_BINLOG_SECONDS": "604800",
}


class Database:
    """The pod's folders below a folder of the test, and the server that its scripts start there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.client = ["mariadb", "--no-defaults", f"--socket={root}/run/mysqld/mysqld.sock", "-N", "--batch"]
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = {**ENVIRONMENT, "TMPDIR": f"{root}/tmp"}
        self.host = f"127.77.{os.getpid() % 250}.{next(_NUMBERS)}"
        for path in (*PATHS, "/tmp"):
            (root / path.lstrip("/")).mkdir(parents=True)
        for file in SCRIPTS.iterdir():
            # A server that starts clears its tmpdir, also of what another one has there.
            text = re.sub(r"(tmpdir ?= ?)/tmp\b", rf"\g<1>{root}/tmp", file.read_text())
            for path in PATHS:
                text = text.replace(path, f"{root}{path}")
            # An address of the test's own, and the account that runs the tests in place of the image's.
            text = text.replace("[mariadbd]\n", f"[mariadbd]\nuser = {ACCOUNT}\n")
            text = text.replace("bind-address = *", f"bind-address = {self.host}")
            text = text.replace("127.0.0.1", self.host)
            (root / "etc/filewallball" / file.name).write_text(text)
        (root / "secrets/mariadb-credentials").mkdir()
        for user in ("app", "backup", "monitor"):
            (root / "secrets/mariadb-credentials" / f"{user}-password").write_text(f"pw of {user}")

    def _script(self, name: str) -> list[str]:
        return ["/bin/sh", str(self.root / "etc/filewallball" / name)]

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._script("start.sh"), env=self._environment, stderr=log, stdout=log
            )
        deadline = time.monotonic() + 60
        while subprocess.run([*self.client, "-e", "SELECT 1"], capture_output=True, check=False).returncode:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None

    def ready(self, kind: str = "ready") -> tuple[bool, str]:
        """Whether the readiness (or liveness) probe passes, and what it says."""
        done = subprocess.run(
            [*self._script("probe.sh"), kind], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        return done.returncode == 0, done.stdout

    def sql(self, statement: str) -> list[str]:
        """Run SQL as the account of the tests, which the socket lets in; the rows."""
        done = subprocess.run([*self.client, "-e", statement], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def app(self, statement: str) -> tuple[list[str], str]:
        """Run SQL as the application's user; the rows, and what the client complained of."""
        login = ["--user=filewallball_app", "--password=pw of app", "filewallball_db"]
        command = [*self.client, *login, "--default-character-set=utf8mb4", "-e", statement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.splitlines(), done.stderr

    def works(self, statement: str) -> list[str]:
        found, complaint = self.app(statement)
        assert not complaint, f"{statement}: {complaint}"
        return found

    def binary_log(self) -> str:
        files = sorted((self.root / "var/lib/mysql/data").glob("binlog.0*"))
        return b"".join(file.read_bytes() for file in files).decode(errors="replace")

    def use_zones(self, folder: Path) -> None:
        """Have the image's time zones in this folder."""
        script = self.root / "etc/filewallball/start.sh"
        script.write_text(script.read_text().replace("=/usr/share/zoneinfo", f"={folder}"))

    def add_statement(self, statement: str, after: str) -> None:
        users = self.root / "etc/filewallball/users.sql"
        text = users.read_text()
        assert text.count(after) == 1
        users.write_text(text.replace(after, f"{after}\n{statement}"))
