"""The servers and the store that the tests of the binary log share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from log_lab import DATABASE, UTF8, Clock, Lab, Process, running
from past import Then
from s3_gateway import S3, Recorded, gateway, recording
from shipped_log import TABLE, rows


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of a server that is new."""
    os.environ["PATH"] = os.environ.get("PATH", os.defpath) + ":/usr/sbin"
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        # A server that starts clears its tmpdir, also of what another one has there.
        ["mariadb-install-db", "--no-defaults", "--force", f"--datadir={folder}/data", "--user=root",
         "--skip-test-db", "--auth-root-authentication-method=normal"],
        check=True, capture_output=True, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    return folder / "data"


@pytest.fixture(scope="session")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The server whose log is shipped."""
    options = ("--server-id=1", "--log-bin=binlog", "--binlog-format=ROW", "--sync-binlog=1", UTF8)
    with running(tmp_path_factory.mktemp("server"), installed, *options) as found:
        yield found


@pytest.fixture(scope="session")
def empty(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """The throw-away server. Each test leaves it without the database."""
    options = ("--skip-log-bin", UTF8, "--event-scheduler=OFF", "--max-allowed-packet=1G")
    with running(tmp_path_factory.mktemp("throwaway"), installed, *options) as found:
        yield found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with gateway(tmp_path_factory.mktemp("s3")) as found:
        yield found


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """An operation that no role allows fails the test."""
    with recording(monkeypatch) as found:
        yield found


@pytest.fixture
def lab(server: Process, empty: Process, s3: S3, tmp_path: Path) -> Iterator[Lab]:
    found = Lab(server, empty, s3, tmp_path)
    yield found
    found.shipper.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The server's clock, which the test sets."""
    return Clock(monkeypatch)


@pytest.fixture
def then(lab: Lab) -> Then:
    """The database, with a past of its own."""
    return Then(lab)


@pytest.fixture
def shipped(lab: Lab) -> Lab:
    """The database, with its log in the store."""
    lab.server.run(f"CREATE DATABASE {DATABASE}", TABLE)
    rows(lab, 0, 3)
    lab.shipper.turn()
    return lab
