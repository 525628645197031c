"""The shared stack, for the checks to find fault with."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shared_sandbox import kubectl_path
from shared_stack import NAMESPACE, SharedStack

from filewallball import stack
from filewallball.checks import remote
from filewallball.checks.result import Result
from filewallball.kube import Kube


@dataclass(frozen=True)
class CheckedStack:
    """The stack, deployed, and what can be done to it."""

    shared: SharedStack

    @property
    def kube(self) -> Kube:
        return self.shared.kube

    def fwb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.shared.run(*arguments)

    def check(self, *names: str, **switches: bool) -> dict[str, Result]:
        """What `fwb check` finds, by name of the check."""
        place = stack.find(self.shared.project, self.shared.name)
        arguments = [*names, *(f"--{name}" for name in switches)]
        return {
            result.name: result for _, result in remote._on_demand(place, arguments) if result is not None
        }

    def exec(self, workload: str, *command: str) -> str:
        done = subprocess.run(
            [
                kubectl_path(),
                "--kubeconfig",
                self.shared.sandbox.kubeconfig,
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
