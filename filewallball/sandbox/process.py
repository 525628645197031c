"""The supervisor's process as seen from the machine: start it, know whether it is ours, end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filewallball.errors import UserError
from filewallball.sandbox import supervisor, trials

START_TIMEOUT = 30.0
"""Seconds for the namespaces to exist."""
STOP_TIMEOUT = 60.0
"""Seconds for everything to end by itself."""


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one of the same number and from one before a reboot."""

    pid: int
    started: str
    boot: str

    def alive(self) -> bool:
        return _identify(self.pid) == self


def _identify(pid: int) -> Identity | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Identity(pid, fields[19], boot)


def running(directory: Path) -> Identity | None:
    """The supervisor of the sandbox in `directory`, if it runs."""
    try:
        identity = Identity(**json.loads((directory / "process.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return identity if identity.alive() else None


def start(directory: Path, connect: Callable[[int], None]) -> Identity:
    """Start the supervisor in namespaces of its own; `connect` gets its number, to link its network."""
    for name in ("pid", "process.json"):
        (directory / name).unlink(missing_ok=True)
    log = directory / "logs" / "supervisor.log"
    with log.open("ab") as output, Path("/proc/self/ns/net").open("rb") as network:
        words = [supervisor.__file__, str(directory), str(network.fileno())]
        launcher = subprocess.Popen(
            ["unshare", *trials.NAMESPACES, sys.executable, "-I", "-S", *words],
            pass_fds=[network.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and launcher.poll() is None:
        if identity := _announced(directory):
            connect(identity.pid)
            (directory / "process.json").write_text(json.dumps(asdict(identity)), encoding="utf-8")
            return identity
        time.sleep(0.01)
    launcher.kill()
    raise UserError(
        f"The sandbox's supervisor did not start:\n{log_tail(log)}",
        "The machine must allow new pid, mount and network namespaces (unshare), which some containers "
        "don't.",
    )


def _announced(directory: Path) -> Identity | None:
    try:
        return _identify(int((directory / "pid").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def stop(identity: Identity, waiting: Callable[[str], None]) -> None:
    """Let the sandbox end by itself, or else kill it; returns when its last process is gone."""
    _send(identity, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while identity.alive():
        if time.monotonic() > deadline:
            waiting("it does not end by itself, and is killed")
            _send(identity, signal.SIGKILL)
            deadline = time.monotonic() + STOP_TIMEOUT
        time.sleep(0.02)


def _send(identity: Identity, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        if identity.alive():
            os.kill(identity.pid, number)


def log_tail(path: Path, lines: int = 8) -> str:
    """The last lines of a log, or a word about why there are none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"(no log at {path})"
    return "\n".join(text.strip().splitlines()[-lines:]) or f"(nothing in {path})"
