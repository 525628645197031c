"""A stack of its own on the shared sandbox, whose data is to outlive it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared_sandbox import Sandbox
from stack_project import write_stack


@dataclass
class DataStack:
    """One stack: its project folder, its name, which is also that of its namespace, and where it runs."""

    project: Path
    name: str
    sandbox: Sandbox

    def write(self, **config: Any) -> None:
        """Set the stack's configuration beside what every stack of these tests has."""
        write_stack(self.project, self.name, self.sandbox.name, **config)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "filewallball.cli", *arguments, "--cwd", str(self.project)]

    def run(self, *arguments: str, seconds: float = 280) -> subprocess.CompletedProcess[str]:
        """`fwb`, whatever comes of it."""
        command = self.command(*arguments)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)

    def fwb(self, *arguments: str, exit_code: int = 0) -> str:
        done = self.run(*arguments)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def up(self) -> str:
        return self.fwb("up", self.name, "--no-checks", "--yes", "--engine", "embedded")

    def destroy(self, *arguments: str) -> str:
        return self.fwb("destroy", self.name, "--yes", "--engine", "embedded", *arguments)

    def sql(self, statement: str) -> str:
        """Run SQL as the administrator, from inside the server's pod; the rows, without their head."""
        client = ["mariadb", "--defaults-file=/etc/filewallball/my.cnf", "--user=mysql", "--batch", "-N"]
        return self._in_pod([*client, "filewallball_db", "--execute", statement])

    def log_in(self, password: str) -> str:
        """Who the application is to the server, over the network and with this password."""
        client = ["mariadb", "--host=127.0.0.1", "--user=filewallball_app", f"--password={password}", "-N"]
        return self._in_pod([*client, "--execute", "SELECT CURRENT_USER()"])

    def _in_pod(self, command: list[str]) -> str:
        return self.sandbox.kubectl("-n", self.name, "exec", "mariadb-0", "--", *command).stdout.strip()
