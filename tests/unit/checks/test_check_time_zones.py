"""What the check of the time zones says of a server that doesn't know them, or knows them wrong."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import Cluster
from test_checks_config import document

from filewallball.checks import config, runner
from filewallball.checks.result import Result
from filewallball.checks.suites import mariadb_zones
from filewallball.checks.suites.mariadb_zones import KNOWN, NO_DATA, time_zones
from filewallball.kube import KubeError

CONFIG = config.parse(json.dumps(document()))
RIGHT = [local for _, _, local in KNOWN]
START = Path(__file__).parents[3] / "components/files/mariadb/start.sh"


class Clusters:
    """A cluster in which the server's pod wrote this log, or none at all."""

    def __init__(self, log: str | None) -> None:
        self._log = log

    @contextmanager
    def connect(self) -> Any:
        if self._log is None:
            raise KubeError(404, "NotFound", "no pod")
        yield Cluster(log=self._log)


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(answers: list[str | None], log: str | None = "") -> Result:
        @contextmanager
        def connected(_: Any) -> Any:
            yield None

        monkeypatch.setattr(mariadb_zones, "connected", connected)
        monkeypatch.setattr(mariadb_zones, "query", lambda *_: [tuple(answers)])
        monkeypatch.setattr(mariadb_zones, "Kube", Clusters(log))
        return runner.run_one(runner.Check("mariadb-time-zones", time_zones), CONFIG)

    return run


def test_right_answers_pass(check: Any) -> None:
    assert check(RIGHT).status == "ok"


@pytest.mark.parametrize("place", range(len(KNOWN)))
@pytest.mark.parametrize("answer", [None, "2024-01-01 00:00:00"])
def test_one_wrong_answer_fails_and_is_named(check: Any, place: int, answer: str | None) -> None:
    answers = [*RIGHT[:place], answer, *RIGHT[place + 1 :]]
    result = check(answers)
    assert result.status == "failed"
    assert f"is {answer or 'nothing'} in {KNOWN[place][1]}, not {KNOWN[place][2]}" in result.observed


@pytest.mark.parametrize(
    ("log", "status"),
    [(None, "failed"), ("", "failed"), (f"start: {NO_DATA} (/usr/share/zoneinfo)", "skipped")],
)
def test_no_zone_at_all_is_a_fault_unless_the_image_has_none(
    check: Any, log: str | None, status: str
) -> None:
    result = check([None] * len(KNOWN), log)
    assert result.status == status
    assert "CONVERT_TZ into Asia/Seoul is NULL" in result.observed


def test_what_the_start_says_is_what_the_check_looks_for() -> None:
    assert NO_DATA in START.read_text(encoding="utf-8")
