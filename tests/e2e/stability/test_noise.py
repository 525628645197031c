"""Polls of an unchanged server, and of one that is a fifth slower: what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from delaying_proxy import slower
from redis_lab import Server

from filewallball.stability import polls

PAIRS = 20
SECONDS = 20
SLOWER = 0.2
MOST_MISSED = 1


def poll(url: str, out: Path) -> dict[str, Any]:
    words = ["redis", "poll", url, "--seconds", str(SECONDS), "--out", str(out), "--cwd", str(out.parent)]
    subprocess.run(
        [sys.executable, "-m", "filewallball.cli", *words], check=True, capture_output=True, timeout=120
    )
    return json.loads(out.read_text(encoding="utf-8"))


def worse(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [f"{each.subject} {each.why}" for each in polls.compare(before, after) if each.verdict == "worse"]


@pytest.mark.nightly
@pytest.mark.timeout(PAIRS * SECONDS * 6)
@pytest.mark.parametrize("delay", [0.0, 0.002], ids=["near", "far"])
def test_a_fifth_slower_is_found_and_nothing_else(single: Server, tmp_path: Path, delay: float) -> None:
    """Through a proxy in both cases: near, where all is work of processors, or far, where most is waiting."""
    out = tmp_path / "poll.json"
    with slower(single, delay) as url:
        whole = poll(url, out)["milliseconds"]["all"]["p50"] / 1000
    alarms: list[list[str]] = []
    found: list[list[str]] = []
    for _ in range(PAIRS):
        with slower(single, delay) as url:
            before, again = poll(url, out), poll(url, out)
        with slower(single, delay + SLOWER * whole) as url:
            found.append(worse(before, poll(url, out)))
        alarms.append(worse(before, again))
    assert [each for each in alarms if each] == []
    assert sum(not each for each in found) <= MOST_MISSED
