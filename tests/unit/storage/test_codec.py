"""Values come back as they were, and redis-cli shows the common ones as one would write them."""

from __future__ import annotations

import datetime
import enum
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.storage import codec
from filewallball.storage.errors import WrongValue

numbers = st.integers() | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
tricky = st.sampled_from(
    ["5", "-5", "1.5", "1e5", "007", "true", "false", "null", "nan", "inf", "-inf", "{", "[]", "!", "!str x"]
)
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20)
values = documents | st.binary() | numbers | tricky


@given(values)
def test_a_value_comes_back_with_its_kind(value: Any) -> None:
    found = codec.decode(codec.encode(value))
    assert type(found) is type(value)
    assert found == value
    if isinstance(value, float):
        assert math.copysign(1, found) == math.copysign(1, value)


def test_not_a_number_comes_back_as_itself() -> None:
    assert math.isnan(codec.decode(codec.encode(math.nan)))


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("hello", b"hello"),
        ("파일", "파일".encode()),
        ("", b""),
        ("2026-11-27", b"2026-11-27"),
        (5, b"5"),
        (-1.5, b"-1.5"),
        (True, b"true"),
        (None, b"null"),
        ({"a": [1, "파일"]}, '{"a":[1,"파일"]}'.encode()),
        ("5", b"!str 5"),
        ("true", b"!str true"),
        ('{"a":1}', b'!str {"a":1}'),
        ("!x", b"!str !x"),
        (b"\xff", b"!bytes \xff"),
    ],
)
def test_what_redis_cli_shows(value: object, stored: bytes) -> None:
    assert codec.encode(value) == stored


@given(st.binary())
def test_whatever_another_program_wrote_can_be_read(data: bytes) -> None:
    codec.decode(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b"{broken", "{broken"),
        (b"\xff\xfe", b"\xff\xfe"),
        (b"12 apples", "12 apples"),
        (b"9" * 5000, "9" * 5000),
        (b"!unknown", "!unknown"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_another_program_wrote(data: bytes, value: object) -> None:
    assert codec.decode(data) == value


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("value", "back"), [(Colour.RED, "red"), (Level.HIGH, 3), ({"l": Level.HIGH}, {"l": 3})]
)
def test_kinds_that_are_texts_or_numbers_come_back_as_those(value: object, back: object) -> None:
    assert codec.decode(codec.encode(value)) == back


def inside_itself() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((1, 2), "Write list(value)."),
        ({1}, "Write list(value)."),
        (bytearray(b"x"), "Write bytes(value)."),
        (object(), "kind object"),
        (datetime.date(2026, 1, 1), "kind date"),
        ({"a": {"b": [0, datetime.date(2026, 1, 1)]}}, "at a.b[1]"),
        ({"a": (1,)}, "kind tuple at a"),
        ({1: "x"}, "Write str(1)."),
        ({"a": {2: "x"}}, "in a is no text"),
        ({"a": math.nan}, "at a. Write None"),
        ([b"x"], "base64"),
        ("\ud800", "half of a pair"),
        ({"a": "\ud800"}, "half of a pair"),
        ({"\ud800": 1}, "half of a pair"),
        (inside_itself(), "itself in it"),
        pytest.param(1 << 20_000, "too long", id="long"),
        pytest.param([1 << 20_000], "too long", id="long in a list"),
    ],
)
def test_what_could_not_come_back_is_refused(value: object, told: str) -> None:
    with pytest.raises(WrongValue) as caught:
        codec.encode(value)
    assert told in str(caught.value)


@pytest.mark.parametrize("value", [b"x", math.nan, math.inf])
def test_json_has_fewer_kinds(value: object) -> None:
    with pytest.raises(WrongValue, match="JSON has no form"):
        codec.json_value(value)
