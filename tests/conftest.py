"""What holds for every test: how it is interrupted, and how a long run tells what it is at."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict

import pytest

SLOW_SECONDS = 5.0
"""Files that take less are not worth a line."""


class Files:
    """Names each slow file when its last test is over, with its tests and their seconds."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._at: dict[object, str] = {}
        self._seconds: dict[str, float] = defaultdict(float)
        self._tests: dict[str, set[str]] = defaultdict(set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a report; where its worker has left another file behind, tell of that one."""
        worker, file = getattr(report, "node", None), report.nodeid.partition("::")[0]
        before = self._at.get(worker)
        self._at[worker] = file
        self._seconds[file] += report.duration
        self._tests[file].add(report.nodeid)
        if before not in (None, file):
            self._tell(str(before))

    def pytest_sessionfinish(self) -> None:
        """Tell of what each worker was at."""
        for file in self._at.values():
            self._tell(file)

    def _tell(self, file: str) -> None:
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._seconds[file] >= SLOW_SECONDS and terminal:
            terminal.write_line(f"\n{file}: {len(self._tests[file])} tests, {self._seconds[file]:.0f} s")


def pytest_configure(config: pytest.Config) -> None:
    """Let programs under test be interrupted: a runner in the background passes on an ignored Ctrl-C."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Files(config))
