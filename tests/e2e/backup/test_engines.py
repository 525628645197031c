"""Engines that are plugins: with rows here or elsewhere, known to the throw-away server or not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from filewallball.backup import job as backup_job
from filewallball.backup.manifest import Manifest

MADE = (
    "CREATE TABLE plain (id INT PRIMARY KEY)",
    "INSERT INTO plain VALUES (1)",
    "CREATE TABLE kept_for_long (id INT, at TIMESTAMP, note TEXT) ENGINE=ARCHIVE",
    "INSERT INTO kept_for_long VALUES (1, '2026-01-01', '하나'), (2, 0, NULL)",
    "CREATE TABLE swallowed (id INT) ENGINE=BLACKHOLE",
    "CREATE TABLE far (id INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='mysql://far@127.0.0.1:{port}/{db}/plain'",
    "CREATE TABLE found (id BIGINT UNSIGNED NOT NULL, w INT NOT NULL, q VARCHAR(99) NOT NULL, KEY (q))"
    " ENGINE=SPHINX CONNECTION='sphinx://127.0.0.1:1/x'",
)


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """Those of Debian's package mariadb-server, which is not installed."""
    for command in (
        ["apt-get", "download", "mariadb-server"],
        ["sh", "-c", "dpkg -x mariadb-server_*.deb ."],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "usr/lib/mysql/plugin"


def back_up(job: Any) -> Manifest:
    return backup_job.run(job.settings(), backup_job.Log(lambda _: None), job.store())


@pytest.mark.nightly
def test_engines_that_are_plugins(
    job_on: Callable[..., AbstractContextManager[Any]],
    plugins: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with job_on(f"--plugin-dir={plugins}") as job:
        run = job.server.run
        run(*(f"INSTALL SONAME 'ha_{name}'" for name in ("archive", "blackhole", "federatedx", "sphinx")))
        run("CREATE USER far", f"GRANT SELECT ON {job.database}.* TO far")
        job.sql(*(sql.format(port=job.server.port, db=job.database) for sql in MADE))
        run("DROP USER far")  # from now on nobody gets at what lies there

        manifest = back_up(job)
        far, found, kept, swallowed = sorted(manifest.differences)
        assert far.startswith("table far: its rows lie outside of this server (ENGINE=FEDERATED).")
        assert found.startswith("table found: its rows lie outside of this server (ENGINE=SPHINX).")
        assert "lacks its engine ARCHIVE, so that it is restored as InnoDB. Its rows are in" in kept
        assert "lacks its engine BLACKHOLE" in swallowed
        assert manifest.tables["kept_for_long"].rows == 2

        # A throw-away server that has the plugins.
        program = tmp_path / "bin" / "mariadbd"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec /usr/sbin/mariadbd "$@" --plugin-dir={plugins}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        manifest = back_up(job)
        assert sorted(manifest.differences) == [far, found]
        assert "swallowed" in manifest.tables
