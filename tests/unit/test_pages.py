"""The pages name what exists: files, headings of other pages, and the messages that they explain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("README.md")),
]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
FOLDERS = "benchmarks|components|docs|facts|filewallball|images|scripts|tests"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
OTHERS = {"make up", "certificate verify failed", "invalid bulk length", "NOPERM", "NOREPLICAS"}
"""A command, and what servers and libraries say."""


def anchors(page: Path) -> set[str]:
    """The headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def quoted(page: str) -> Iterator[str]:
    """The messages in the first column of the tables that say what the reader sees."""
    for table in re.findall(r"^\| what you see \|.*\n((?:\|.*\n)+)", page, re.MULTILINE):
        for row in table.splitlines()[1:]:
            yield from re.findall(r"`([^`]*)`", row.split("|")[1])


def pieces(message: str) -> list[str]:
    """What is the same in every such message: … stands for what differs."""
    return [piece for piece in re.split(r"[…\s]*…[…\s]*", message) if piece]


def sources() -> str:
    """Every text in the sources, what an f-string puts in left out."""
    found = [(ROOT / "scripts" / "bootstrap").read_text(encoding="utf-8")]
    for path in sorted((ROOT / "filewallball").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong: list[str] = []
    for target, anchor in LINK.findall(text):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(f"{target}#{anchor}")
    # x is a component that is yet to be written
    wrong += [name for name in NAMED.findall(text) if "/x" not in name and not (ROOT / name).exists()]
    assert wrong == []


def test_explained_messages_are_said_somewhere() -> None:
    said = sources()
    explained = {message for page in PAGES for message in quoted(page.read_text(encoding="utf-8"))} - OTHERS
    assert len(explained) > 10
    assert [
        message for message in sorted(explained) if not all(piece in said for piece in pieces(message))
    ] == []
