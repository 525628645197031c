"""Results as lines, JSON and JUnit."""
# ruff: noqa: S314 (the XML is our own)

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filewallball.checks.result import Result, all_good, to_json, to_junit

OK = Result("redis-config", "ok", "27 directives", seconds=0.5)
FAILED = Result("backup-run", "failed", "it\n  broke; \x1b[31mred", "it works", "mend <it> & go", 1.25)
SKIPPED = Result("redis-eviction", "skipped", "refused", "disposable", "set it")


def test_lines():
    assert OK.line() == "redis-config: OK"
    assert Result("a", "failed", "seen\nthere", "that", "do").line() == "a: FAILED (seen there; that; do)"
    assert Result("a", "failed", "seen", "", "do").line() == "a: FAILED (seen; do)"
    assert SKIPPED.line() == "redis-eviction: SKIPPED (refused; disposable; set it)"


def test_only_failures_are_bad():
    assert all_good([OK, SKIPPED])
    assert not all_good([OK, FAILED])
    assert all_good([])


def test_json_list():
    assert json.loads(to_json([FAILED])) == [
        {
            "name": "backup-run",
            "status": "failed",
            "observed": "it\n  broke; \x1b[31mred",
            "expected": "it works",
            "hint": "mend <it> & go",
            "seconds": 1.25,
        }
    ]


TEXT = st.text(max_size=40)
STATUS = st.sampled_from(["ok", "failed", "skipped"])
NAMES = st.from_regex(r"[a-z]+(-[a-z]+)*", fullmatch=True)
RESULTS = st.builds(Result, NAMES, STATUS, TEXT, TEXT, TEXT, st.floats(0, 1e6))


@settings(max_examples=30)
@given(RESULTS)
def test_a_json_line_reads_back_as_the_same(result):
    assert "\n" not in result.as_json()
    assert Result.from_json(result.as_json()) == result


@pytest.mark.parametrize(
    "line", ["", "Traceback:", "[1]", "{}", '{"plan": []}', OK.as_json().replace('"ok"', '"odd"')]
)
def test_other_lines_are_no_results(line):
    assert Result.from_json(line) is None


def test_junit():
    root = ET.fromstring(to_junit([OK, FAILED, SKIPPED], "checks of dev"))
    suite = root[0]
    assert suite.attrib == {
        "name": "checks of dev",
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "1",
        "time": "1.750",
    }
    ok, failed, skipped = suite
    assert (ok.get("name"), ok.get("classname"), ok.get("time")) == (
        "redis-config",
        "filewallball.checks.redis",
        "0.500",
    )
    assert failed[0].tag == "failure"
    assert failed[0].get("message") == "it\n  broke; ?[31mred"
    assert failed[0].text == "expected: it works\nhint: mend <it> & go"
    assert skipped[0].tag == "skipped"


@settings(max_examples=30)
@given(st.lists(RESULTS, max_size=4), NAMES)
def test_junit_is_always_well_formed(results, suite):
    assert len(ET.fromstring(to_junit(results, suite))[0]) == len(results)
