"""Polls of an unchanged server, and of one that is a fifth slower: what is said of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from delaying_proxy import slower
from redis_lab import Server

from filewallball.stability import polls

SLOWER = 0.2


@dataclass(frozen=True)
class Case:
    """`delay`: seconds, of the proxy. What must come out of so many `pairs` of polls of so many `seconds`."""

    delay: float
    seconds: int
    pairs: int
    least_found: int
    most_missed: int
    most_alarms: int


NEAR = Case(0.0, 45, 10, 7, 1, 1)
"""All is work of processors, which this machine's other work hides: then it must be told that it may."""
FAR = Case(0.001, 12, 20, 19, 0, 0)
"""Most is waiting."""


def poll(url: str, out: Path, seconds: int) -> dict[str, Any]:
    words = ["redis", "poll", url, "--seconds", str(seconds), "--out", str(out), "--cwd", str(out.parent)]
    subprocess.run(
        [sys.executable, "-m", "filewallball.cli", *words], check=True, capture_output=True, timeout=120
    )
    return json.loads(out.read_text(encoding="utf-8"))


def verdict(before: dict[str, Any], after: dict[str, Any]) -> str:
    """What is said of the pair in one word."""
    found = {each.verdict for each in polls.compare(before, after)}
    return next((each for each in ("worse", "unsure") if each in found), "same")


@pytest.mark.nightly
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("case", [NEAR, FAR], ids=["near", "far"])
def test_a_fifth_slower_is_found_and_nothing_else(single: Server, tmp_path: Path, case: Case) -> None:
    """Through a proxy in both cases. Whatever else this machine does meanwhile is part of the test."""
    out = tmp_path / "poll.json"
    with slower(single, case.delay) as url:
        unchanged = [poll(url, out, case.seconds)]
        whole = unchanged[0]["milliseconds"]["all"]["p50"] / 1000
    alarms: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for _ in range(case.pairs):
        with slower(single, case.delay) as url:
            unchanged.append(poll(url, out, case.seconds))
        with slower(single, case.delay + SLOWER * whole) as url:
            found[verdict(unchanged[-1], poll(url, out, case.seconds))] += 1
        alarms[verdict(*unchanged[-2:])] += 1
    print(f"unchanged: {dict(alarms)}; slower: {dict(found)}")
    assert alarms["worse"] <= case.most_alarms
    assert found["worse"] >= case.least_found
    assert found["same"] <= case.most_missed
