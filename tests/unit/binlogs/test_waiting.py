"""The shipper of a stack whose store's keys the user has yet to make."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from facts.binlogs import ALIVE, READY
from filewallball.binlogs import __main__ as command


def test_the_shipper_waits_for_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys, work = tmp_path / "backup-keys", tmp_path / "work"
    work.mkdir()
    (tmp_path / "password").write_text("x")
    environment = {
        "FWB_DB_HOST": "mariadb",
        "FWB_DB_NAME": "filewallball_db",
        "FWB_DB_USER": "filewallball_backup",
        "FWB_DB_PASSWORD_FILE": str(tmp_path / "password"),
        "FWB_STORE_ENDPOINT": "http://127.0.0.1:9",
        "FWB_STORE_BUCKET": "kept",
        "FWB_STORE_ACCESS_KEY_FILE": str(keys / "access-key"),
        "FWB_STORE_SECRET_KEY_FILE": str(keys / "secret-key"),
        "FWB_WORK_DIR": str(work),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(command, "WAIT_SECONDS", 0.02)

    class Stopping(threading.Event):
        """Makes the keys when the shipper has waited twice."""

        waits = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.waits += 1
            assert (work / ALIVE).exists()
            assert (work / READY).exists()
            if self.waits == 2:
                keys.mkdir()
                for key in ("access-key", "secret-key"):
                    (keys / key).write_text("told")
            return super().wait(timeout)

    stopping = Stopping()
    found = command.opened(stopping)
    assert found
    assert found[0].store.access_key == "told"
    assert stopping.waits == 2
    said = capsys.readouterr().out
    assert said.count("Waiting: There is no Secret backup-keys") == 1

    stopping.set()
    assert command.opened(stopping) is None
