"""The messages in the project's sources, read from their syntax: every text, and every hint.

A hint is what a parameter or field called `hint` or `advice` is given, what a function with such a name
returns, and what stands in a table whose name ends in HINTS or ADVICE. Texts are put together as far as the
module itself says them: sums, alternatives, names that it assigns, tables. What only a run can know is shown
as {}.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

UNKNOWN = "{}"
MOST_FORMS = 24
_CALLED = ("hint", "advice")
_ERROR = re.compile(r"(Error|Failed|Refused|unreachable)$")
_NAMED = re.compile(r"(hints?|advice)$", re.IGNORECASE)

Places = dict[str, int]
"""By the name of a function or class: which of its positional arguments is the hint."""


@dataclass
class Module:
    """The syntax of one file, and what its names may stand for."""

    tree: ast.Module
    values: dict[str, list[ast.expr]] = field(default_factory=dict[str, list[ast.expr]])

    @classmethod
    def read(cls, source: str) -> Module:
        found = cls(ast.parse(source))
        for node in ast.walk(found.tree):
            if isinstance(node, ast.Assign):
                targets = [target for target in node.targets if isinstance(target, ast.Name)]
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                targets = [node.target]
            else:
                continue
            for target in targets:
                if node.value is not None:
                    found.values.setdefault(target.id, []).append(node.value)
        return found

    def texts(self) -> Iterator[str]:
        """Every string; of an f-string, each of its forms. Docstrings are left out."""
        yield from self._texts(self.tree)

    def _texts(self, node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return
        if isinstance(node, ast.JoinedStr):
            yield from self.forms(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        for child in ast.iter_child_nodes(node):
            # the pieces of an f-string aren't texts of their own; what it puts in may hold some
            if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
                yield from self._texts(child)

    def hints(self, places: Mapping[str, int]) -> Iterator[tuple[int, str]]:
        """Every form of every hint, with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                place = places.get(_last_name(node.func))
                given = [key.value for key in node.keywords if key.arg in _CALLED]
                if place is not None and len(node.args) > place:
                    given.append(node.args[place])
                for each in given:
                    yield from ((node.lineno, text) for text in self.forms(each) if text)
            elif isinstance(node, ast.FunctionDef) and _NAMED.search(node.name):
                returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
                yield from ((node.lineno, text) for each in returned for text in self.forms(each) if text)
        for name, values in self.values.items():
            if _NAMED.search(name):
                for value in values:
                    yield from ((value.lineno, text) for text in self._entries(value) if text)

    def errors(self) -> Iterator[tuple[int, str]]:
        """The strings that stand in the arguments of an error, with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and _ERROR.search(ast.unparse(node.func)):
                yield from ((node.lineno, text) for text in self._texts(node))

    def beginnings(self, places: Mapping[str, int]) -> Iterator[tuple[int, str]]:
        """What each error with a hint behind its message begins with, where the module says so."""
        for node in ast.walk(self.tree):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = _last_name(node.func)
            if places.get(name) != 1 or not name[0].isupper():
                continue
            first = node.args[0]
            if isinstance(first, ast.JoinedStr):
                first = first.values[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value:
                yield node.lineno, first.value

    def _entries(self, node: ast.expr) -> Iterator[str]:
        """The texts in a table: the values of a mapping, the last item of each row of a list."""
        if isinstance(node, ast.Dict):
            for value in node.values:
                yield from self._entries(value)
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            rows = [each for each in node.elts if isinstance(each, ast.Tuple | ast.List)]
            for each in rows or node.elts[-1:]:
                yield from self._entries(each)
        else:
            yield from self.forms(node)

    def forms(self, node: ast.AST | None, seen: tuple[str, ...] = ()) -> list[str]:
        """What an expression may be as a text."""
        found = [UNKNOWN]
        if isinstance(node, ast.Constant):
            found = [node.value] if isinstance(node.value, str) else [UNKNOWN]
        elif isinstance(node, ast.JoinedStr):
            parts = [self.forms(part, seen) for part in node.values]
            found = ["".join(each) for each in product(*parts)] if _few(parts) else [_flat(parts)]
        elif isinstance(node, ast.FormattedValue):
            found = self.forms(node.value, seen)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [self.forms(node.left, seen), self.forms(node.right, seen)]
            found = ["".join(each) for each in product(*parts)] if _few(parts) else [_flat(parts)]
        elif isinstance(node, ast.IfExp):
            found = self.forms(node.body, seen) + self.forms(node.orelse, seen)
        elif isinstance(node, ast.BoolOp):
            found = [text for each in node.values for text in self.forms(each, seen)]
        elif isinstance(node, ast.Subscript):
            found = self._of_table(node.value, seen)
        elif isinstance(node, ast.Name) and node.id not in seen:
            named = self.values.get(node.id, [])
            found = [text for each in named for text in self.forms(each, (*seen, node.id))] or [UNKNOWN]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found = self._of_call(node.func, node.args, seen)
        return list(dict.fromkeys(found))

    def _of_table(self, node: ast.expr, seen: tuple[str, ...]) -> list[str]:
        tables = self.values.get(node.id, []) if isinstance(node, ast.Name) else [node]
        values = [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
        return [text for value in values for text in self.forms(value, seen)] or [UNKNOWN]

    def _of_call(self, func: ast.Attribute, args: list[ast.expr], seen: tuple[str, ...]) -> list[str]:
        if func.attr == "get" and args:
            rest = self.forms(args[1], seen) if len(args) > 1 else []
            return self._of_table(func.value, seen) + rest
        if func.attr in {"format", "strip", "removesuffix", "removeprefix"}:
            return [re.sub(r"\{\w*\}", UNKNOWN, text) for text in self.forms(func.value, seen)]
        return [UNKNOWN]


def places_of_hints(modules: list[Module]) -> Places:
    """Which argument is the hint, for each function, dataclass and error that takes one."""
    places: Places = {}
    classes: dict[str, ast.ClassDef] = {}
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef):
                names = [each.arg for each in node.args.args if each.arg not in {"self", "cls"}]
            elif isinstance(node, ast.ClassDef):
                classes[node.name] = node
                names = [
                    each.target.id
                    for each in node.body
                    if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
                ]
                made = [each for each in node.body if getattr(each, "name", "") == "__init__"]
                for each in made:
                    assert isinstance(each, ast.FunctionDef)
                    names = [one.arg for one in each.args.args[1:]]
            else:
                continue
            for each in _CALLED:
                if each in names and not node.name.startswith("__"):
                    places[node.name] = names.index(each)
    for _ in range(4):  # an error of an error of an error
        for name, node in classes.items():
            bases = [places[_last_name(base)] for base in node.bases if _last_name(base) in places]
            if bases and not any(getattr(each, "name", "") == "__init__" for each in node.body):
                places.setdefault(name, bases[0])
    return places


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _few(parts: list[list[str]]) -> bool:
    count = 1
    for each in parts:
        count *= max(1, len(each))
    return count <= MOST_FORMS


def _flat(parts: list[list[str]]) -> str:
    return "".join(each[0] if len(each) == 1 else UNKNOWN for each in parts)


def all_modules(paths: list[Path]) -> dict[Path, Module]:
    return {path: Module.read(path.read_text(encoding="utf-8")) for path in paths}
