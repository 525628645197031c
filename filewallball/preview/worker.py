"""Renders one tree, in a process of its own: `python -P -m filewallball.preview.worker FOLDER STACK`.

The program's code is the tree's; the engine and the libraries are those of this environment. The answer is
one JSON document on the standard output, with secrets in it: only the process that asked may read it.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, cast

from filewallball.engine import run
from filewallball.engine.program.resources import Resource, without_nulls
from filewallball.engine.showing.report import Reporter
from filewallball.explain import explained
from filewallball.preview.policies import judged
from filewallball.project import load_project, load_stack
from filewallball.redact import Redactor

GENERATED = "(new at each run)"


class Listening(Redactor):
    """Remembers what it is told, so that it can be told to another one."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, bool]] = []

    def add(self, value: Any, *, short: bool = False) -> None:
        """Learn a secret, and remember it as it was given."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            self.heard.append((value, short))
        super().add(value, short=short)


def render(folder: Path, stack: str, redactor: Listening) -> dict[str, Any]:
    """What a tree declares, twice: what differs between two runs of one tree is no change of a branch."""
    reporter = Reporter(quiet=True)
    reporter.redactor = redactor
    first = run.render_sealed(folder, stack, reporter)
    second = run.render_sealed(folder, stack, reporter)
    again = {each.urn: each for each in second.resources}
    project = load_project(folder)
    config = load_stack(project, stack, sealed=True)
    protected = config.values.get(f"{project.name}:protect") == "true"
    return {
        "project": project.name,
        "sealed": config.sealed,
        "warnings": list(first.warnings),
        "violations": judged(project, first.resources, protected=protected),
        "resources": [_plain(each, again.get(each.urn)) for each in first.resources],
        "outputs": whole_numbers(_settled(first.outputs, second.outputs)),
        "secrets": list(dict.fromkeys(redactor.heard)),
    }


def _plain(resource: Resource, again: Resource | None) -> dict[str, Any]:
    plain = dataclasses.asdict(resource)
    props = without_nulls(plain["props"])
    plain["props"] = whole_numbers(_settled(props, without_nulls(again.props)) if again else props)
    return plain


def _settled(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        fields, others = cast("dict[str, Any]", first), cast("dict[str, Any]", second)
        return {key: _settled(item, others.get(key)) for key, item in fields.items()}
    if isinstance(first, list) and isinstance(second, list):
        items, more = cast("list[Any]", first), cast("list[Any]", second)
        if len(items) == len(more):
            return [_settled(*pair) for pair in zip(items, more, strict=True)]
    return cast("Any", first) if first == second else GENERATED


def whole_numbers(value: Any) -> Any:
    """A structure with 3 where the protocol, which knows no integers, has made 3.0 of it."""
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [whole_numbers(item) for item in cast("list[Any]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def main() -> None:
    """Answer on the standard output; whatever the program prints goes to the standard error instead."""
    folder, stack = sys.argv[1:]
    with os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogateescape") as answer:
        os.dup2(2, 1)
        redactor = Listening()
        try:
            told = render(Path(folder), stack, redactor)
        except Exception as error:  # noqa: BLE001 - it is told by the process that asked
            known = explained(error)
            if known:
                message, hint = redactor.text(known.message), redactor.text(known.hint)
                told = {"failed": {"message": message, "hint": hint, "code": known.exit_code}}
            else:
                told = {"broken": redactor.text(traceback.format_exc())}
        json.dump(told, answer)


if __name__ == "__main__":
    main()
