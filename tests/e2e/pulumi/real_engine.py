"""A stack under the real Pulumi CLI: its state in a folder, its programs from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data_stack import DataStack

from facts.machine import NO_CHECKS_VARIABLE

HERE = Path(__file__).parent
SECONDS = 400
FAILS = -1000
SHOWN = 5000
"""Characters: the end of what a command said has the reason of its failure."""
CONFIG: dict[str, Any] = {"redis": {"maxmemory": "64mb"}, "valkey": {"replicas": 1, "sentinels": 3}}
"""As few servers as there may be."""


@dataclass
class RealStack(DataStack):
    """One stack: `home` holds the CLI's state and settings, `engine` its programs.

    `checked`: whether the program has its checks, which take as long as all the rest of an `up`.
    """

    home: Path
    engine: Path
    checked: bool = False

    @cached_property
    def environment(self) -> dict[str, str]:
        """What the CLI is started with: its state is a folder, and our language host runs the program."""
        state = self.home / "state"
        state.mkdir()
        host = self.home / "language-host"
        host.mkdir()
        program = host / "pulumi-language-python"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "language_host.py"} "$@"\n')
        program.chmod(0o755)
        return {
            **os.environ,
            "PATH": f"{host}:{self.engine}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
            # These sources of the provider know the variable, and not yet the option that the program sets.
            "PULUMI_K8S_ENABLE_PATCH_FORCE": "true",
        }

    def pulumi(self, *words: str, exit_code: int = 0) -> str:
        """Run the CLI on the stack; what it printed, without its warnings where all went well.

        FAILS stands for any exit code but 0, of which the CLI has several.
        """
        place = ["--stack", self.name, "--cwd", str(self.project), "--non-interactive"]
        done = self._run([str(self.engine / "pulumi"), *words, *place], exit_code)
        return done.stdout + (done.stderr if exit_code else "")

    def fwb(self, *arguments: str, exit_code: int = 0) -> str:
        words = [*arguments, "--cwd", str(self.project)]
        done = self._run([sys.executable, "-m", "filewallball.cli", *words], exit_code)
        return done.stdout + done.stderr

    def _run(self, command: list[str], exit_code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=self.environment | ({} if self.checked else {NO_CHECKS_VARIABLE: "1"}),
        )
        ended = FAILS if exit_code == FAILS and done.returncode else done.returncode
        assert ended == exit_code, (done.stdout + done.stderr)[-SHOWN:]
        return done

    def up(self, exit_code: int = 0) -> str:
        checks = "--checks" if self.checked else "--no-checks"
        return self.fwb("up", self.name, "--engine", "pulumi", "--yes", checks, exit_code=exit_code)

    def init(self) -> None:
        self.pulumi("stack", "init")

    def preview(self) -> list[dict[str, Any]]:
        """The steps of `pulumi preview`."""
        return json.loads(self.pulumi("preview", "--json"))["steps"]

    def changes(self) -> dict[str, str]:
        """What a preview would do, by name of the resource; what stays the same is left out."""
        return {
            step["urn"].rpartition("::")[2]: step["op"] for step in self.preview() if step["op"] != "same"
        }

    def state(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "export"))

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds; secrets are encrypted in it."""
        return self.state()["deployment"].get("resources", [])
