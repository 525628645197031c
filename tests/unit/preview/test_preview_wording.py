"""How a change is told, line by line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from filewallball.engine.program.resources import UNKNOWN
from filewallball.engine.showing.diff import Change
from filewallball.preview.wording import lines, whole

LONG = "x" * 120


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (1, 2, ["- a: 1", "+ a: 2"]),
        (None, "x", ["+ a: x"]),
        ("x", None, ["- a: x"]),
        (True, False, ["- a: true", "+ a: false"]),
        ("", " x", ['- a: ""', '+ a: " x"']),
        ("[secret]", "[secret]", ["! a: [secret] (the secret in it changes)"]),
        ("x", UNKNOWN, ["- a: x", "+ a: (known after up)"]),
        ("x", LONG, ["- a: x", "+ a:", f"+   {LONG}"]),
        (None, {"b": LONG}, ["+ a:", f"+   b: {LONG}"]),
        ("1\n2\n", "1\n3\n", ["  a:", "    1", "-   2", "+   3"]),
        ("1\n", "1\n\n", ["  a:", "    1", "+"]),
        ("1", "1\n", ["  a:", "!   only the end of its last line differs"]),
    ],
)
def test_lines(before: Any, after: Any, told: list[str]) -> None:
    assert lines(Change(("a",), before, after)) == told


def test_long_json_is_compared_field_by_field() -> None:
    before, after = (json.dumps({"Statement": [{"Action": ["s3:Get", LONG], "Sid": sid}]}) for sid in "ab")
    told = lines(Change(("policy",), before, after))
    assert [line.split() for line in told if line[0] in "-+"] == [
        ["-", '"Sid":', '"a"'],
        ["+", '"Sid":', '"b"'],
    ]


def test_unchanged_lines_between_two_changes_are_left_out() -> None:
    before = "\n".join(map(str, range(20)))
    told = lines(Change(("a",), before, before.replace("3", "x", 1).replace("17", "y")))
    assert "    …" in told
    assert "    10" not in told


def test_texts_of_several_lines_stay_as_they_are() -> None:
    assert whole("+", {"a": "one: 'x'\n\n  two\n"}) == ["+ a: |", "+   one: 'x'", "+", "+     two"]


def test_whole_is_sorted() -> None:
    assert whole("+", {"b": 1, "a": {"c": [1]}}) == ["+ a:", "+   c:", "+   - 1", "+ b: 1"]
