"""The runbook has a heading for each check, with three parts below it, and each failure leads there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_pages import anchors

from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckSkipped, CheckWarned
from filewallball.checks.runner import Check
from filewallball.checks.suites import ALL

ROOT = Path(__file__).parents[2]
PAGE = ROOT / runner.RUNBOOK
PARTS = ("What it means.", "What to look at.", "What to do.")
CONFIG = ChecksConfig("n", disposable=False, sections=())


def sections(page: str) -> dict[str, str]:
    """The text below each heading of a check."""
    pieces = re.split(r"^### (.*)\n", page, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def lacking(text: str) -> list[str]:
    """The parts that a section hasn't, or has without a sentence."""
    found = re.split(r"^\*\*(.*?)\*\*", text, flags=re.MULTILINE)
    said = dict(zip(found[1::2], found[2::2], strict=True))
    return [part for part in PARTS if not said.get(part, "").strip().endswith(".")]


def test_each_check_has_its_heading_with_all_parts() -> None:
    found = sections(PAGE.read_text(encoding="utf-8"))
    assert list(found) == [check.name for check in ALL], "the headings stand in the order of the checks"
    assert {name: lacking(text) for name, text in found.items() if lacking(text)} == {}


def test_a_part_that_is_missing_would_be_found() -> None:
    assert lacking("**What it means.** It is so.\n\n**What to do.**\n") == ["What to look at.", "What to do."]


def test_the_list_of_checks_is_current() -> None:
    script = [sys.executable, ROOT / "scripts" / "runbook_list.py", "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "current\n")


@pytest.mark.parametrize("check", ALL, ids=lambda each: each.name)
def test_each_failure_leads_to_a_heading_that_exists(check: Check) -> None:
    for kind in (CheckFailed, CheckWarned):

        def fail(_: ChecksConfig, kind: type[CheckFailed] = kind) -> str:
            raise kind("seen", "wanted", "Do this.")

        result = runner.run_one(Check(check.name, fail), CONFIG)
        assert result.hint == f"Do this. See docs/runbook.md#{check.name}."
        assert result.hint in result.line()
    assert check.name in anchors(PAGE)


def test_what_is_skipped_or_refused() -> None:
    def skip(_: ChecksConfig) -> str:
        raise CheckSkipped("no need", "a need", "Do nothing.")

    assert runner.run_one(Check("redis-config", skip), CONFIG).hint == "Do nothing."
    harmful = Check("redis-eviction", skip, harms="fills the cache")
    [refused] = runner.run([harmful], CONFIG, named=["redis-eviction"])
    assert refused.hint.endswith("See docs/runbook.md#redis-eviction.")
