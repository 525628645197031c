"""The marks by which a stack finds its objects: never those of another stack."""

from __future__ import annotations

import re

import pytest

from filewallball.engine.ownership.record import label_value

PROJECT = "filewallball"


@pytest.mark.parametrize("length", [1, 49, 50, 51, 63, 100])
def test_two_stacks_never_have_the_same_label(length: int) -> None:
    values = {label_value(PROJECT, f"{'s' * (length - 1)}{end}") for end in "abc-_"}
    assert len(values) >= 3
    for value in values:
        assert re.fullmatch(r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", value)


def test_the_label_of_a_short_name_says_it() -> None:
    assert label_value(PROJECT, "dev") == "filewallball.dev"
