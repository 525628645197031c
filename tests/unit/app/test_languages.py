"""Every text is there in both languages, is used, and which language a visitor gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from filewallball.app import roles
from filewallball.app.web import pages, texts

APP = Path(texts.__file__).parents[1]
CODE = "\n".join(path.read_text(encoding="utf-8") for path in APP.rglob("*.py"))
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in (APP / "web/templates").iterdir())
PREFIXED = ("role_", "server_", "notice_")


def test_each_text_is_in_all_languages_with_the_same_values() -> None:
    for name, found in texts.texts().items():
        assert found.keys() == texts.LANGUAGES.keys(), name
        assert all(found.values()), name
        values = {frozenset(re.findall(r"\{(\w+)\}", text)) for text in found.values()}
        assert len(values) == 1, f"{name} has not the same values in all languages"


def test_pages_and_errors_use_texts_that_exist() -> None:
    used = set(re.findall(r'\bt\("(\w+)"[,)]', PAGES))
    used |= set(re.findall(r'(?:Refused|Conflict|TooLarge|TooMany|Forbidden)\(\s*"(\w+)"', CODE))
    used |= {f"role_{role}" for role in roles.PERMISSIONS}
    assert len(used) > 80
    assert used - texts.texts().keys() == set()


def test_no_text_is_left_over() -> None:
    said = set(re.findall(r'"(\w+)"', PAGES + CODE))
    assert [name for name in texts.texts() if name not in said and not name.startswith(PREFIXED)] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("en-US,en;q=0.9", "en"),
        ("fr, ko;q=0.5, en;q=0.7", "en"),
        ("fr", "en"),
        ("", "en"),
        ("ko;q=x, en;q=0.1", "en"),
        ("ko;q=0", "en"),
    ],
)
def test_the_browsers_language_counts(header: str, language: str) -> None:
    assert texts.preferred(header) == language


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("/files", "/files"),
        ("/posts?before=3", "/posts?before=3"),
        ("//evil.test/x", "/"),
        ("/\\evil.test", "/"),
        ("https://evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("", "/"),
    ],
)
def test_no_link_leads_elsewhere(path: str, kept: str) -> None:
    assert pages.local(path) == kept


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KB"),
        (1536, "1.5 KB"),
        (2 * 2**30, "2 GB"),
        (10 * 2**40, "10 TB"),
    ],
)
def test_sizes_for_people(count: int, said: str) -> None:
    assert pages.size(count) == said
