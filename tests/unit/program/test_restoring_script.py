"""What a start of the server makes of a restore's folder, wherever the restore or the server was cut off."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from test_start_scripts import Pod

KEPT = "data-before-restore-20261121_101500"


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    """A server with old data; restored data is in the folder that a restore works in."""
    made = Pod(tmp_path, "mariadb")
    made.secret("mariadb-credentials", app="app-pw", backup="backup-pw", monitor="monitor-pw")
    made.start()
    (made.volume / "data/state").write_text("old")
    copy = made.volume / "restoring/data"
    (copy / "mysql").mkdir(parents=True)
    (copy / "state").write_text("restored")
    (made.volume / "restoring/alive").touch()
    return made


def state(pod: Pod) -> str:
    """What the next start serves."""
    assert pod.start().returncode == 0
    assert pod.called == ["server"]
    assert not (pod.volume / "restoring").exists()
    assert not (pod.volume / "restoring.gone").exists()
    return (pod.volume / "data/state").read_text()


def ready(pod: Pod, seconds_ago: float = 0) -> None:
    (pod.volume / "restoring/ready").write_text(f"{KEPT}\n")
    then = time.time() - seconds_ago
    os.utime(pod.volume / "restoring/alive", (then, then))


def test_what_is_ready_takes_the_place_of_the_data(pod: Pod) -> None:
    ready(pod)
    assert state(pod) == "restored"
    assert (pod.volume / KEPT / "state").read_text() == "old"
    assert state(pod) == "restored"


def test_what_is_not_ready_is_dropped(pod: Pod) -> None:
    assert state(pod) == "old"


def test_what_nobody_works_on_any_more_is_dropped_since_writes_were_accepted(pod: Pod) -> None:
    ready(pod, seconds_ago=61)
    assert state(pod) == "old"
    assert not (pod.volume / KEPT).exists()


def test_cut_off_between_the_two_renames_it_goes_on_however_late(pod: Pod) -> None:
    ready(pod, seconds_ago=3600)
    (pod.volume / "data").rename(pod.volume / KEPT)
    assert state(pod) == "restored"


def test_cut_off_after_both_renames_only_the_rest_is_removed(pod: Pod) -> None:
    ready(pod)
    (pod.volume / "data").rename(pod.volume / KEPT)
    (pod.volume / "restoring/data").rename(pod.volume / "data")
    assert state(pod) == "restored"
    assert (pod.volume / KEPT / "state").read_text() == "old"


def test_with_kept_data_alone_no_empty_folder_is_made(pod: Pod) -> None:
    (pod.volume / "data").rename(pod.volume / KEPT)
    done = pod.start()
    assert done.returncode == 1
    assert KEPT in done.stderr
    assert pod.called == []
