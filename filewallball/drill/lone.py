"""Watches a cut-off primary from inside its own network namespace: who else could tell what it accepts?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from filewallball.drill.load.recording import Probe
from filewallball.drill.members import MEMBERS, PORTS, SERVER, Set
from filewallball.errors import UserError

PROGRAM = "filewallball.drill.load.lone"
BEFORE_SECONDS = 0.4
"""The probe begins to write this long before the cut."""
END_SECONDS = 10.0


class Inside(Protocol):
    def run_inside(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, timeout: float
    ) -> Any: ...


class LoneProbe:
    """Probes while the block runs; `samples` are there afterwards, in wall-clock time."""

    def __init__(
        self, faults: Inside, set_: Set, member: str, password: str, seconds: float, authority: str = ""
    ) -> None:
        self.samples: list[Probe] = []
        self._faults, self._set, self._member, self._seconds = faults, set_, member, seconds
        self._password = password
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._folder = tempfile.TemporaryDirectory(prefix="fwb-drill-")
        self._file = Path(self._folder.name) / "password"
        self._trust: list[str] = []
        if authority:
            ca_file = Path(self._folder.name) / "ca.crt"
            ca_file.write_text(authority, encoding="utf-8")
            # It connects to the pod, whose own address is in no certificate.
            self._trust = [str(ca_file), member]

    def __enter__(self) -> Self:
        self._file.touch(mode=0o600)
        self._file.write_text(self._password, encoding="utf-8")
        try:
            self._thread.start()
            time.sleep(BEFORE_SECONDS)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        if self._error and error is None:
            raise UserError(
                f"The probe inside {self._member} failed: {self._error}", "Run the round again."
            ) from self._error

    def _end(self) -> None:
        self._file.unlink(missing_ok=True)  # which ends the probe
        if self._thread.ident:
            self._thread.join(self._seconds + END_SECONDS)
        self._folder.cleanup()

    def _run(self) -> None:
        try:
            pod = self._set.pod(self._member)
            address = pod["status"]["podIP"] if pod else ""
            # the file's path stands for the password: arguments can be read by everyone
            argv = [sys.executable, "-m", PROGRAM, address, str(PORTS[MEMBERS]), str(self._file)]
            done = self._faults.run_inside(
                self._set.place.namespace, self._member, SERVER[MEMBERS],
                [*argv, f"{self._seconds:.0f}", *self._trust],
                timeout=self._seconds + END_SECONDS,
            )  # fmt: skip
            self.samples = _samples(done)
        except Exception as error:  # noqa: BLE001 - raised where the block ends
            self._error = error


def _samples(done: subprocess.CompletedProcess[str]) -> list[Probe]:
    if done.returncode:
        raise UserError(done.stderr.strip()[-300:])
    return [Probe(*one) for one in json.loads(done.stdout)]
