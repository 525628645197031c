"""Text is UTF-8, whatever the locale: what ruff's PLW1514 doesn't see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("filewallball", "components", "benchmarks", "scripts")


def careless(source: str) -> Iterator[int]:
    """The lines of calls that leave the encoding of text to the locale."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {keyword.arg for keyword in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        whole_file = (name == "read_text" and not node.args) or (name == "write_text" and len(node.args) == 1)
        runs = name in {"run", "Popen", "check_output", "open"} and given & {"text", "universal_newlines"}
        if "encoding" not in given and (whole_file or runs):
            yield node.lineno


def test_every_text_has_its_encoding() -> None:
    sources = [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]
    assert len(sources) > 100
    found = [(path, line) for path in sources for line in careless(path.read_text(encoding="utf-8"))]
    assert [f"{path.relative_to(ROOT)}:{line}" for path, line in found] == []


@pytest.mark.parametrize("text", ["m.run(x, text=True)", "a.b.read_text()", "(a / b).write_text(text)"])
def test_what_is_careless_is_seen(text: str) -> None:
    assert list(careless(text)) == [1]
