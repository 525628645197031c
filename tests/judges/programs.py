"""The judges, in the cache: two from their Go modules, checkov and pip-audit each in its own venv."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import binaries, built
from filewallball.sandbox.toolchain.sources import Sources
from tests.judges import advisories

HERE = Path(__file__).parent
GO = Sources(
    directory=HERE / "tools",
    name="judges",
    what="kube-score and govulncheck",
    packages=("tool",),
    programs=("kube-score", "govulncheck"),
)
PYTHON = ("checkov", "pip-audit")
"""Programs from PyPI; each has its requirements in a file of its name, and shares none with the product."""
READY = ".ready"
"""Written last into a venv, which can't be moved into its place: its programs name their Python by a path."""


def make(progress: Progress) -> None:
    """Build and install what the cache doesn't have. Raises UserError where that fails."""
    binaries(progress, GO)
    with progress.step("downloading the list of vulnerabilities of Go modules"):
        advisories.download()
    for name in PYTHON:
        target = environment(name)
        with exclusive(target.with_name(f"{name}.lock"), progress, f"another installation of {name}"):
            if not (target / READY).exists():
                _install(name, target, progress)


def find(name: str) -> Path | None:
    """The program, if the cache has it; nothing is built."""
    if name in GO.programs:
        found = built(Progress(), GO)
        return found[name] if found else None
    target = environment(name)
    return target / "bin" / name if (target / READY).exists() else None


def requirements(name: str) -> Path:
    return HERE / f"{name}-requirements.txt"


def environment(name: str) -> Path:
    """The program's venv; it is another for each set of requirements and each Python."""
    made = requirements(name).read_bytes() + sys.version.encode()
    return paths.cache_dir() / "tools" / f"{name}-{hashlib.sha256(made).hexdigest()[:12]}"


def _install(name: str, target: Path, progress: Progress) -> None:
    for stale in target.parent.glob(f"{name}-*"):
        if stale.is_dir():
            shutil.rmtree(stale)
    with progress.step(f"installing {name}"):
        commands = [
            [sys.executable, "-m", "venv", str(target)],
            [
                *(str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"),
                *("--disable-pip-version-check", "--require-hashes", "-r", str(requirements(name))),
            ],
        ]
        for command in commands:
            done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
            if done.returncode:
                shutil.rmtree(target, ignore_errors=True)
                raise UserError(
                    f"{name} could not be installed:\n{done.stderr.strip()[-1000:]}",
                    "See that pip reaches its index, and run the command again.",
                )
        (target / READY).touch()
