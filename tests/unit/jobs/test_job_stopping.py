"""A signal ends a job, whatever library or loop is under way: none takes it for a fault, and tries again."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import Store
from filewallball.errors import UserError
from filewallball.jobs import stopping
from filewallball.jobs.joblog import Log


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a store that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    stopping.on_signals("before its end.", "filewallball:backup.deadlineMinutes")
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def soon(number: int) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()


@pytest.mark.timeout(60)
def test_in_the_middle_of_a_request_to_the_store(silent: str) -> None:
    store = Store(StoreSettings("bucket", "p/", silent, "us-east-1", "key", "secret"))
    soon(signal.SIGTERM)
    with pytest.raises(stopping.Stopped, match=r"Stopped by SIGTERM before its end\."), stopping.told():
        store.exists("dump")


@pytest.mark.timeout(60)
def test_in_a_loop_that_waits(silent: str) -> None:
    """A step's error names the step, as all do."""
    host, _, port = silent.removeprefix("http://").rpartition(":")

    def wait() -> None:
        with Log(lambda _: None).step("wait"):
            while True:
                with suppress(UserError, OSError), socket.create_connection((host, int(port))) as one:
                    one.recv(1)

    soon(signal.SIGINT)
    with pytest.raises(stopping.Stopped, match=r"^wait: Stopped by SIGINT") as caught:
        wait()
    assert "raise filewallball:backup.deadlineMinutes" in caught.value.hint
    for number in (signal.SIGTERM, signal.SIGINT):
        assert signal.getsignal(number) is signal.SIG_IGN
