"""Which part of a file a request asks for, or brings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.app import ranges
from filewallball.app.ranges import NoSuchRange, Range


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, None),
        ("bytes=0-9", Range(0, 9)),
        ("bytes=90-", Range(90, 99)),
        ("bytes=90-1000", Range(90, 99)),
        ("bytes=-10", Range(90, 99)),
        ("bytes=-1000", Range(0, 99)),
        ("bytes=0-1,5-6", None),
        ("bytes=9-1", None),
        ("lines=0-9", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=0-9" + "9" * 30, None),
    ],
)
def test_a_range_of_100_bytes(header: str | None, found: Range | None) -> None:
    assert ranges.asked(header, 100) == found


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_what_begins_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(NoSuchRange):
        ranges.asked(header, size)


@given(
    st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}", fullmatch=True),
    st.integers(0, 10**6),
)
def test_a_range_lies_within_the_file(header: str, size: int) -> None:
    try:
        found = ranges.asked(header, size)
    except NoSuchRange:
        return
    assert found is None or 0 <= found.first <= found.last < size


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("bytes 0-9/100", Range(0, 9)),
        ("bytes 90-99/100", Range(90, 99)),
        ("bytes 90-100/100", None),
        ("bytes 9-1/100", None),
        ("bytes 0-9/101", None),
        ("bytes 0-9/*", None),
        ("bytes */100", None),
        ("0-9/100", None),
        (None, None),
    ],
)
def test_a_piece_of_an_upload_of_100_bytes(header: str | None, found: Range | None) -> None:
    assert ranges.brought(header, 100) == found


@pytest.mark.parametrize(
    ("header", "same"),
    [('"x"', True), ('W/"x"', True), ('"a", "x"', True), ("*", True), ('"a"', False), (None, False)],
)
def test_etags(header: str | None, same: bool) -> None:
    assert ranges.same(header, '"x"') is same
