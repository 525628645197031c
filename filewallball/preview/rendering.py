"""Has the trees rendered, each by its own program in a process of its own, and reads what comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filewallball.engine.program.resources import Options, Resource
from filewallball.errors import ConfigError, UserError
from filewallball.preview.policies import Violation
from filewallball.preview.rendered import Rendered
from filewallball.project import load_project
from filewallball.redact import Redactor

OF_ITS_OWN = "Each tree is rendered by its own code, with the libraries of this environment."


@dataclass(frozen=True)
class Tree:
    """A folder to render, and what users call it: `the work tree`, `main`. `where` stands for the folder."""

    folder: Path
    called: str
    where: str

    def told(self, text: str) -> str:
        """A text that names files of this tree so that a reader finds them."""
        if self.where == ".":
            return text.replace(f"{self.folder}/", "").replace(str(self.folder), ".")
        return text.replace(f"{self.folder}/", f"{self.where}:").replace(str(self.folder), self.where)

    def has(self, stack: str) -> bool:
        """Whether the stack is there. Raises ConfigError for a Pulumi.yaml that can't be read."""
        try:
            return (self.folder / "Pulumi.yaml").is_file() and stack in load_project(self.folder).stacks()
        except UserError as error:
            raise _of_tree(self, error) from None


def both(old: Tree, new: Tree, stack: str, redactor: Redactor) -> tuple[Rendered, Rendered]:
    """What the two trees declare; `redactor` learns the secrets of both. Raises the first one's error."""
    with ThreadPoolExecutor(2) as pool:
        started = [pool.submit(_rendered, tree, stack) for tree in (new, old)]
    new_found, old_found = (each.result() for each in started)
    for found in (new_found, old_found):
        for value, short in found.get("secrets", []):
            redactor.add(value, short=short)
    return _read(old_found, old), _read(new_found, new)


def _rendered(tree: Tree, stack: str) -> Mapping[str, Any]:
    if not tree.has(stack):
        return {}
    # -P: the folder that this runs in must not hide the engine behind a package of the tree's own
    call = [sys.executable, "-P", "-m", "filewallball.preview.worker", str(tree.folder), stack]
    done = subprocess.run(call, check=False, capture_output=True, cwd=tree.folder)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        tail = "\n".join(done.stderr.decode(errors="replace").strip().splitlines()[-8:])
        raise UserError(
            f"{tree.called}: rendering {stack} ended with {done.returncode}\n{tree.told(tail)}",
            "Mend what it says, and run this again.",
        ) from None
    if "failed" in found:
        failed = found["failed"]
        kind = ConfigError if failed["code"] == ConfigError.exit_code else UserError
        raise _of_tree(tree, kind(failed["message"], failed["hint"]))
    if "broken" in found:
        raise RuntimeError(tree.told(found["broken"]))
    return found


def _of_tree(tree: Tree, error: UserError) -> UserError:
    """The error of one tree, which says of which."""
    hint = error.hint or f"Mend it there. {OF_ITS_OWN}"
    return error.retold(f"{tree.called}: {tree.told(error.message)}", tree.told(hint))


def _read(found: Mapping[str, Any], tree: Tree) -> Rendered:
    if not found:
        return Rendered()
    violations = found["violations"]
    return Rendered(
        there=True,
        sealed=found["sealed"],
        project=found["project"],
        warnings=[tree.told(each) for each in found["warnings"]],
        resources=[_resource(each, tree) for each in found["resources"]],
        violations=None if violations is None else [Violation(*each) for each in violations],
        outputs=_placeless(found["outputs"], tree),
    )


def _resource(plain: dict[str, Any], tree: Tree) -> Resource:
    given: dict[str, Any] = plain["options"]
    for name in ("dependencies", "ignore_changes", "replace_on_changes", "aliases"):
        given[name] = tuple(given[name])
    plain["options"] = Options(**given)
    plain["secret_paths"] = [tuple(path) for path in plain["secret_paths"]]
    return Resource(**{**plain, "props": _placeless(plain["props"], tree)})


def _placeless(value: Any, tree: Tree) -> Any:
    """The same without the folder that the tree happens to lie in."""
    if isinstance(value, str):
        return value.replace(str(tree.folder), ".") if str(tree.folder) in value else value
    if isinstance(value, dict):
        return {key: _placeless(item, tree) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_placeless(item, tree) for item in cast("list[Any]", value)]
    return value
