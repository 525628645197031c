"""A client that reads SQL: whatever happens, it has ended afterwards, and nobody waits for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from filewallball.backup.program import feeding

PIPE = 65536
"""Bytes that a pipe takes though nobody reads."""


def client(code: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.timeout(60)
def test_one_that_reads_nothing_more_is_ended_at_once() -> None:
    """It is at work on a long statement, and more is already on its way to it."""

    def interrupted(one: subprocess.Popen[bytes]) -> None:
        with feeding(one) as pipe:
            pipe.write(b"x" * PIPE)
            pipe.write(b"the rest, which is still in this process")
            raise KeyboardInterrupt

    with client("import time; time.sleep(3600)") as one:
        with pytest.raises(KeyboardInterrupt):
            interrupted(one)
        assert one.returncode == -9


def test_one_that_stops_at_an_error_is_waited_for() -> None:
    with client("raise SystemExit(3)") as one, feeding(one) as pipe:
        for _ in range(100):
            pipe.write(b"x" * PIPE)
    assert one.returncode == 3


def test_one_that_reads_to_the_end() -> None:
    with client("import sys; print(len(sys.stdin.read()))") as one:
        with feeding(one) as pipe:
            pipe.write(b"x" * 3 * PIPE)
        assert one.returncode == 0
        assert one.stdout is not None
        assert one.stdout.read() == f"{3 * PIPE}\n".encode()
