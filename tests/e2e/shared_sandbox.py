"""The sandbox of the end-to-end tests, as tests see it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

from filewallball import paths
from filewallball.kube import Kube
from filewallball.sandbox import cluster, images
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import binaries


@dataclass
class Sandbox:
    """A running sandbox, as tests see it."""

    name: str
    kubeconfig: Path

    @cached_property
    def kube(self) -> Kube:
        return Kube.connect(self.kubeconfig, f"fwb-{self.name}")

    def ensure_images(self, *references: str) -> None:
        images.ensure(self.name, references)

    def kubectl(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end; with `check`, a failure shows what it said."""
        command = [kubectl_path(), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if check and done.returncode:
            pytest.fail(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}\n{done.stdout}")
        return done


def kubectl_path() -> str:
    return str(binaries(Progress())["kubectl"])


@contextlib.contextmanager
def shared_sandbox(name: str) -> Generator[Sandbox]:
    """A sandbox that goes down with its last user; of one who is killed, the kernel drops the lock."""
    lock = paths.state_dir() / f"{name}.users"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        kubeconfig = cluster.up(name)
        yield Sandbox(name, kubeconfig)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # FWB_E2E_KEEP leaves it for the next run, and for a look.
            if not os.environ.get("FWB_E2E_KEEP"):
                cluster.down(name, purge=True)
