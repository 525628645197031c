"""The tests of our own Go programs, which need the toolchain that builds them."""

from __future__ import annotations

import subprocess

from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import golang
from filewallball.sandbox.toolchain.sources import SANDBOX


def test_controllers() -> None:
    go = golang.find_go(SANDBOX.go_needed(), Progress())
    done = subprocess.run(
        # With the build's flags, whose packages are in Go's cache: with others all are compiled anew.
        [go.path, "test", *SANDBOX.flags(), "./controllers"],
        cwd=SANDBOX.directory,
        env=go.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
