"""The one whole stack that several files of tests share: bringing one up is the dearest thing they do.

tests/conftest.py names those files, which keeps them on one worker, one after the other. Each test leaves the
stack as it found it.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from typing import Any

from data_stack import DataStack

from filewallball.kube import Kube

STACK = NAMESPACE = "shared"
CONFIG: dict[str, Any] = {
    "mariadb": {"storage": {"size": "1Gi"}},
    # little to fill, for the check that fills it
    "redis": {"maxmemory": "64mb"},
    "valkey": {"replicas": 2, "sentinels": 3, "storage": {"size": "2Gi"}},
}
FROM_NOTHING = 540
"""Seconds for `fwb up`, which may have images to build."""


@dataclass
class SharedStack(DataStack):
    """The stack. `began` is how its first `fwb up`, with all checks, ended, and what it said."""

    began: subprocess.CompletedProcess[str] = field(init=False)

    @property
    def kube(self) -> Kube:
        return self.sandbox.kube

    def write(self, **config: Any) -> None:
        """As DataStack's, beside what this stack always has."""
        super().write(**{**CONFIG, **config})

    def begin(self) -> None:
        """Bring it up from nothing: what a run that was killed left in a kept sandbox goes first."""
        self.write()
        self.remove()
        self.began = self.run("up", self.name, "--yes", "--engine", "embedded", seconds=FROM_NOTHING)
        assert self.began.returncode in (0, 1), self.began.stdout + self.began.stderr

    def remove(self) -> None:
        if self.kube.get("v1", "Namespace", NAMESPACE):
            said = self.destroy("--purge")
            assert self.kube.get("v1", "Namespace", NAMESPACE) is None, said
