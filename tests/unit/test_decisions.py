"""The decisions are numbered without a gap, dated, and each says why; the list of them is whole."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
PARTS = ["Situation", "Decision", "Why not otherwise", "What it costs"]
MOST_WORDS = 250
"""A decision that needs more words is a page of its own."""


def test_each_is_numbered_dated_and_short_and_says_why() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))
    for path in RECORDS:
        text = path.read_text(encoding="utf-8")
        title = re.match(r"# (\d+)\. \S.*\n\nDate: (\d{4}-\d\d-\d\d)\n", text)
        assert title, path.name
        assert int(title[1]) == int(path.name[:4])
        tomorrow = date.today() + timedelta(days=1)  # the author's time zone may be ahead
        assert date(2026, 11, 21) <= date.fromisoformat(title[2]) <= tomorrow
        parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
        assert parts[1::2] == PARTS, path.name
        assert all(part.strip().endswith(".") for part in parts[2::2]), path.name
        assert len(text.split()) <= MOST_WORDS, path.name


def test_the_list_names_each_with_its_date_and_title() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\((.*?)\) \| (.*?) \| (.*?) \|$", _list(), re.MULTILINE)
    found = [
        re.match(r"# (\d+)\. (.*)\n\nDate: (.*)\n", path.read_text(encoding="utf-8")) for path in RECORDS
    ]
    told = [
        (f"{int(each[1]):04d}", path.name, each[3], each[2])
        for path, each in zip(RECORDS, found, strict=True)
        if each
    ]
    assert listed == told


def _list() -> str:
    return (FOLDER / "README.md").read_text(encoding="utf-8")
