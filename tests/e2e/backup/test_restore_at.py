"""The database as it was at a second between two backups: a backup, and the log that was shipped since."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pyrage
import pytest
from restore_lab import Lab, running, unsaved
from s3_gateway import S3

from facts.backup import Variables
from filewallball.backup import age
from filewallball.backup.catalogue import entries
from filewallball.binlogs.names import LogFile
from filewallball.errors import ConfigError, UserError
from filewallball.jobs.joblog import Log
from filewallball.recovery import beside, forward
from filewallball.recovery.choosing import Wanted


@pytest.fixture
def lab(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("at"), s3) as found:
        yield found


def wait_second() -> int:
    """Wait until a new second has begun; that second."""
    now = int(time.time())
    while int(time.time()) == now:
        time.sleep(0.02)
    return now + 1


def test_the_state_of_a_second_and_then_of_one_after_the_restore(lab: Lab, tmp_path: Path) -> None:
    """Of a stack that encrypts what it stores."""
    names = ("catalogue", "server", "ship")
    catalogue, server, ship = (import_module(f"filewallball.binlogs.{name}") for name in names)
    lab.admin(
        "CREATE TABLE counted (id INT PRIMARY KEY)", "INSERT INTO counted VALUES (1)",
        "CREATE DATABASE other", "CREATE TABLE other.kept (id INT)",
        "SET sql_log_bin = 0", "CREATE USER shipper IDENTIFIED BY 'p'",
        "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO shipper",
    )  # fmt: skip
    settings = replace(lab.settings().backup.database, user="shipper", password="p")
    logs = catalogue.below(lab.store())
    key, other = (pyrage.x25519.Identity.generate() for _ in range(2))
    recipients = (str(key.to_public()),)
    lab.environment[Variables.RECIPIENTS] = recipients[0]
    for name, identity in (("key", key), ("other", other)):
        (tmp_path / name).write_text(f"# of the test\n{identity}\n")

    def shipped() -> None:
        connected, second = server.Server(lambda: settings), int(time.time())
        shipper = ship.Shipper(connected, logs, lab.work, len, recipients)
        while shipper.turn().time <= second:
            time.sleep(0.1)

    shipped()
    lab.back_up()
    lab.app("INSERT INTO counted VALUES (2)")
    lab.admin("INSERT INTO other.kept VALUES (7)")
    lab.app("CREATE VIEW seen AS SELECT id FROM counted")
    wait_second()
    moment = datetime.fromtimestamp(int(time.time()), UTC)
    wait_second()
    lab.app("DELETE FROM counted")
    shipped()

    (backup,) = entries(lab.store())
    (timeline,) = catalogue.timelines(logs)
    assert backup.manifest
    position = backup.manifest.snapshot
    assert LogFile(position.file, position.begun or 0) in {piece.file for piece in timeline.pieces}
    for name, why in (("", "no private key was given"), ("other", "is not one of theirs")):
        if name:
            lab.environment[Variables.IDENTITY_FILE] = str(tmp_path / name)
        with pytest.raises(age.NoKey, match=why) as refused:
            lab.restore(at=moment)
        assert "The database was left as it is." in refused.value.hint
    assert lab.app("SELECT COUNT(*) FROM counted") == [(0,)]
    lab.environment[Variables.IDENTITY_FILE] = str(tmp_path / "key")
    said: list[str] = []
    with pytest.raises(ConfigError, match="has a database of that name"):
        beside.run(lab.settings(), Log(said.append), Wanted(at=moment), "other")
    beside.run(lab.settings(), Log(said.append), Wanted(at=moment), "then")
    assert lab.admin("SELECT id FROM `then`.counted ORDER BY id") == [(1,), (2,)]
    assert lab.admin("SHOW FULL TABLES FROM `then`") == [("counted", "BASE TABLE"), ("seen", "VIEW")]
    assert lab.app("SELECT COUNT(*) FROM counted") == [(0,)]

    assert any(line.startswith("--at works from") for line in forward.reach(lab.store()))
    with unsaved(lab, end=True):
        said = "\n".join(lab.restore(at=moment))
    assert "replay: " in said
    assert lab.app("SELECT id FROM seen ORDER BY id") == [(1,), (2,)]
    assert lab.admin("SELECT id FROM other.kept") == [(7,)]

    # The log has begun anew: what comes after the backup at the restore's end can be replayed as well.
    shipped()
    lab.app("INSERT INTO counted VALUES (3)")
    lab.app("CREATE TABLE made_since (id INT)")
    wait_second()
    moment = datetime.fromtimestamp(int(time.time()), UTC)
    wait_second()
    lab.app("DELETE FROM counted")
    lab.app("DROP VIEW seen")
    lab.app("DROP TABLE made_since")
    shipped()
    with unsaved(lab):
        said = "\n".join(lab.restore(at=moment, tables=["counted", "made_since"]))
    assert "replay: " in said
    assert lab.app("SELECT id FROM counted ORDER BY id") == [(1,), (2,), (3,)]
    assert lab.app("SHOW TABLES") == [("counted",), ("made_since",)]

    with pytest.raises(UserError) as raised:
        lab.restore(at=datetime.fromtimestamp(int(time.time()), UTC))
    assert raised.value.hint
    assert lab.app("SELECT COUNT(*) FROM counted") == [(3,)]
