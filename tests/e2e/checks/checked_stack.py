"""A stack of its own on the shared sandbox, for the checks to find fault with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_project import write_stack

from filewallball import stack
from filewallball.checks import remote
from filewallball.checks.result import Result
from filewallball.kube import Kube

STACK = NAMESPACE = "checked"


@dataclass(frozen=True)
class CheckedStack:
    """The stack, deployed. `project` is a folder with the program and this stack's file."""

    project: Path
    kube: Kube
    kubeconfig: Path
    kubectl_path: str

    def fwb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, timeout=280
        )

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "filewallball.cli", *arguments, "--cwd", str(self.project)]

    def check(self, *names: str, **switches: bool) -> dict[str, Result]:
        """What `fwb check` finds, by name of the check."""
        place = stack.find(self.project, STACK)
        arguments = [*names, *(f"--{name}" for name in switches)]
        return {
            result.name: result for _, result in remote._on_demand(place, arguments) if result is not None
        }

    def exec(self, workload: str, *command: str) -> str:
        done = subprocess.run(
            [
                self.kubectl_path,
                "--kubeconfig",
                self.kubeconfig,
                "-n",
                NAMESPACE,
                "exec",
                workload,
                "--",
                *command,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def jobs(self) -> list[str]:
        """Jobs that checks may have left; those that are going are not counted."""
        return [
            job["metadata"]["name"]
            for job in self.kube.list("batch/v1", "Job", NAMESPACE)
            if "deletionTimestamp" not in job["metadata"]
            and job["metadata"]["name"].startswith((remote.ON_DEMAND, "filewallball-backup-check"))
        ]

    @contextmanager
    def patched(
        self, api_version: str, kind: str, name: str, patch: Any, back: Any, *, how: Any = "merge"
    ) -> Iterator[None]:
        """The object changed by one patch, and afterwards by another."""
        self.kube.patch(api_version, kind, name, NAMESPACE, patch, type=how)
        try:
            yield
        finally:
            self.kube.patch(api_version, kind, name, NAMESPACE, back, type=how)


def write_project(folder: Path, sandbox: str) -> Path:
    """A project folder with the program of this repository, and the stacks of these tests."""
    for name in (STACK, "nowhere"):
        write_stack(folder, name, sandbox)
    return folder
