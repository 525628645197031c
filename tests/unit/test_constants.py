"""A module's constants are documented in one way: by a string below them, which editors and Sphinx show."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("facts", "components", "filewallball", "scripts", "benchmarks")
SOURCES = [*ROOT.glob("*.py"), *sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py"))]
PRAGMA = re.compile(r"#\s*(noqa|type:|pyright:|fmt:)")
TELLS_UNIT = re.compile(r"(SECONDS|MINUTES|HOURS|DAYS|MS|BYTES|MIB|GIB)$")


def constants(body: list[ast.stmt]) -> Iterator[tuple[str, ast.Assign | ast.AnnAssign, bool]]:
    """The name of each constant, its statement, and whether a docstring stands below it."""
    for statement, below in zip_longest(body, body[1:]):
        if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
        documented = (
            isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        )
        if names and all(name.isupper() for name in names):
            yield ", ".join(names), statement, documented


def comments(text: str) -> dict[int, str]:
    """The comments by their lines, without those that speak to a tool."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {
        token.start[0]: token.line
        for token in tokens
        if token.type == tokenize.COMMENT and not PRAGMA.match(token.string)
    }


def measured(value: ast.expr | None) -> bool:
    """Whether it is a fraction or a product: such a number has a unit, or is a share of something."""
    if isinstance(value, ast.BinOp):
        sides = all(
            isinstance(side, (ast.Constant, ast.BinOp, ast.Name)) for side in (value.left, value.right)
        )
        return sides and isinstance(value.op, (ast.Mult, ast.Pow, ast.LShift))
    return isinstance(value, ast.Constant) and isinstance(value.value, float)


def faults(text: str) -> Iterator[str]:
    said = comments(text)
    for name, statement, documented in constants(ast.parse(text).body):
        if said.get(statement.lineno - 1, "").startswith("#"):
            yield f"{name}: the comment above it belongs below it, as a docstring"
        if statement.lineno in said or statement.end_lineno in said:
            yield f"{name}: the comment behind it belongs below it, as a docstring"
        if measured(statement.value) and not documented and not TELLS_UNIT.search(name):
            yield f"{name}: neither its name nor a docstring tells its unit"


def test_constants_have_docstrings() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {fault}"
        for path in SOURCES
        for fault in faults(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "# Seconds.\nWAIT = 2\n",
        "WAIT = 2  # seconds\n",
        "# noqa: S105 - a name\n# Why.\nWAIT: Final = 2\n",
        "NAMES = (  # of users\n    'app',\n)\n",
        "NAMES = (\n    'app',\n)  # of users\n",
        "WAIT = 0.5\n",
        "_ROOM = 16 * 2**20\n",
        "_A, _B = 1, 2  # both\n",
    ],
)
def test_other_ways_are_found(text: str) -> None:
    assert len(list(faults(text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        'WAIT = 0.5\n"""Seconds."""\n',
        "WAIT_SECONDS = 0.5\n",
        "KEY = 'secret-key'  # noqa: S105 - a name\n",
        "NAMES = (\n    'app',  # the application\n)  # fmt: skip\n",
        "# About what follows.\n\nRETRIES = 3\n",
        "def wait() -> None:\n    DELAY = 2  # seconds\n",
        "Object = dict  # no constant\n",
    ],
)
def test_the_one_way_and_what_is_no_constant_pass(text: str) -> None:
    assert list(faults(text)) == []
