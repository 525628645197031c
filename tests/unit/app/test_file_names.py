"""What is kept of the names and types that users give, and how headers say them."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.app.names import LONGEST, UNKNOWN_TYPE, clean_name, clean_type, disposition


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("보고서 최종.hwp", "보고서 최종.hwp"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a.txt", "a.txt"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie: x=1"),
        ("photo\u202egnp.exe", "photognp.exe"),
        ("a\x00b\x1b[31m", "ab[31m"),
        ("  spaces   inside  ", "spaces inside"),
        ("..", "file"),
        ("", "file"),
        ("\ud800", "?"),
        ("\u200b", "file"),
        ("한", "한"),
    ],
)
def test_names_are_cleaned(given_name: str, kept: str) -> None:
    assert clean_name(given_name) == kept


def test_a_long_name_keeps_its_ending() -> None:
    found = clean_name("가" * 400 + ".tar.gz")
    assert len(found) == LONGEST
    assert found.endswith(".gz")
    assert len(clean_name("a" * 400)) == LONGEST


@given(st.text(max_size=400))
def test_no_name_reaches_a_path_or_a_header(text: str) -> None:
    found = clean_name(text)
    assert 1 <= len(found) <= LONGEST
    assert "/" not in found
    assert "\\" not in found
    assert found not in (".", "..")
    assert all(unicodedata.category(each)[0] != "C" for each in found)
    assert clean_name(found) == found
    header = disposition(found)
    assert header.isascii()
    assert re.fullmatch(r'attachment; filename="[^"\\\r\n]+"; filename\*=UTF-8\'\'[A-Za-z0-9._~%-]+', header)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        ("image/PNG", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("application/vnd.hancom.hwp", "application/vnd.hancom.hwp"),
        (None, UNKNOWN_TYPE),
        ("", UNKNOWN_TYPE),
        ("text/html\r\nX: 1", UNKNOWN_TYPE),
        ("text", UNKNOWN_TYPE),
        ("a" * 100 + "/b", UNKNOWN_TYPE),
        ("한글/plain", UNKNOWN_TYPE),
    ],
)
def test_types_are_tokens(kind: str | None, kept: str) -> None:
    assert clean_type(kind) == kept


def test_a_korean_name_is_said_twice() -> None:
    assert disposition("보고서.pdf") == (
        "attachment; filename=\"file.pdf\"; filename*=UTF-8''%EB%B3%B4%EA%B3%A0%EC%84%9C.pdf"
    )
    assert disposition('a"b.txt', inline=True) == "inline; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"
