"""Whoever is a component is known to the program alone: not to its siblings, nor to what folds over all."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
BASES = {"Described", "pulumi.ComponentResource"}


def trees(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """The program's modules by their dotted names."""
    for path in sorted(root.glob("components/**/*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def components(root: Path) -> set[str]:
    """Modules that define one."""
    return {
        name
        for name, tree in trees(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and node.name != "Described"
        and any(ast.unparse(base) in BASES for base in node.bases)
    }


def imports(root: Path) -> set[tuple[str, str]]:
    """Who imports which component, the program itself apart."""
    known = components(root)
    found: set[tuple[str, str]] = set()
    for importer, tree in trees(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                named = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                named = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            else:
                continue
            found |= {(importer, name) for name in named & known}
    return found


def test_no_component_is_imported_by_another_module_of_the_program() -> None:
    assert {"components.mariadb", "components.checks", "components.namespace"} <= components(ROOT)
    assert imports(ROOT) == set()


def test_one_that_is_imported_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "components"
    folder.mkdir()
    (folder / "toy.py").write_text("class Toy(Described):\n    NAME = 'toy'\n", encoding="utf-8")
    (folder / "other.py").write_text("from components.toy import Toy\n", encoding="utf-8")
    (folder / "third.py").write_text("from components import kube, toy\n", encoding="utf-8")
    assert imports(tmp_path) == {
        ("components.other", "components.toy"),
        ("components.third", "components.toy"),
    }
