"""What holds for every test: how it is interrupted, and how a long run tells what it is at."""

from __future__ import annotations

import signal
import threading
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import settings

# A machine that stops for a moment is no fault of the example that was under way.
settings.register_profile("fwb", settings.default, deadline=None)
settings.load_profile("fwb")

ON_THE_SHARED_STACK = tuple(
    f"tests/e2e/{file}"
    for file in (
        "checks/test_checks_in_cluster.py",
        "stability/test_in_stack.py",
        "snapshots/test_snapshots_in_cluster.py",
        "program/test_restore_in_cluster.py",
        "program/test_strangers.py",
        "program/test_session_set_operations.py",
        "engine/test_benchmarks.py",
        "drill/test_drill.py",
        "drill/test_balancer_drill.py",
        "drill/test_scaling.py",
        "program/test_data_outlives_the_stack.py",
    )
)
"""These run on one worker, in this order, and begin before all others: see tests/e2e/shared_stack.py."""
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
        worker, file = getattr(report, "node", None), _file(report.nodeid)
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files on the shared stack first, and leave the rest as found."""
    turns = {file: turn for turn, file in enumerate(ON_THE_SHARED_STACK)}
    items.sort(key=lambda item: turns.get(_file(item.nodeid), len(turns)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file runs on one worker, and those on the shared stack as if they were one."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Scheduling(config, log)


def together(nodeid: str) -> str:
    """What the test belongs to that one worker runs: its file, or the files on the shared stack."""
    file = _file(nodeid)
    return ON_THE_SHARED_STACK[0] if file in ON_THE_SHARED_STACK else file


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Let programs under test be interrupted: a runner in the background passes on an ignored Ctrl-C."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Files(config))
