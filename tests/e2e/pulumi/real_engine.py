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

HOST = Path(__file__).with_name("language_host.py")
SECONDS = 400


@dataclass
class RealStack(DataStack):
    """One stack: `home` holds the CLI's state and settings, `engine` its programs."""

    home: Path
    engine: Path

    @cached_property
    def environment(self) -> dict[str, str]:
        shims = self.home / "shims"
        shims.mkdir(parents=True)
        host = shims / "pulumi-language-python"
        host.write_text(f'#!/bin/sh\nexec {sys.executable} {HOST} "$@"\n')
        host.chmod(0o755)
        state = self.home / "state"
        state.mkdir()
        return {
            **os.environ,
            "PATH": f"{shims}:{self.engine}:{os.environ['PATH']}",
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "of the tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def pulumi(self, *words: str, exit_code: int = 0) -> str:
        """Run the CLI in the project; what it printed, without its warnings."""
        place = ["--cwd", str(self.project), "--non-interactive"]
        return self._run([str(self.engine / "pulumi"), *words, *place], exit_code).stdout

    def fwb(self, *arguments: str, exit_code: int = 0) -> str:
        words = [*arguments, "--cwd", str(self.project)]
        done = self._run([sys.executable, "-m", "filewallball.cli", *words], exit_code)
        return done.stdout + done.stderr

    def _run(self, command: list[str], exit_code: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env=self.environment
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    def init(self) -> None:
        self.pulumi("stack", "init", self.name)

    def preview(self) -> list[dict[str, Any]]:
        """The steps of `pulumi preview`."""
        return json.loads(self.pulumi("preview", "--json", "--stack", self.name))["steps"]

    def changes(self) -> dict[str, str]:
        """What a preview would do, by name of the resource; what stays the same is left out."""
        return {
            step["urn"].rpartition("::")[2]: step["op"] for step in self.preview() if step["op"] != "same"
        }

    def state(self) -> dict[str, Any]:
        return json.loads(self.pulumi("stack", "export", "--stack", self.name))
