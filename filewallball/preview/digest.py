"""A preview as `pulumi preview --json` prints one (PreviewDigest in pkg/display/json.go of pulumi/pulumi)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from filewallball.engine.program.resources import STACK_TYPE, Path, Resource
from filewallball.engine.showing.diff import Change
from filewallball.preview.comparing import OPTIONS, Difference, body
from filewallball.preview.report import Report, child, masked_properties
from filewallball.redact import Redactor

Object = dict[str, Any]


def digest(report: Report, redactor: Redactor) -> Object:
    """Steps, by URN, and counts as plain data, secrets as `[secret]`; no times, which differ at each run."""
    root = f"{report.project}-{report.stack}"
    urn = f"urn:pulumi:{report.stack}::{report.project}::{STACK_TYPE}::{root}"
    state = {"urn": urn, "custom": False, "type": STACK_TYPE}
    steps: list[Object] = [
        {"op": "same", "urn": urn, "oldState": state, "newState": state, "detailedDiff": None}
    ]
    counted = Counter({"same": 1})
    for difference in sorted(report.differences, key=lambda each: each.resource.urn):
        for step in _steps(difference, redactor):
            counted[step["op"]] += 1
            if step["op"] != "same":
                steps.append(step)
    told = [(note, "info") for note in report.notes] + [
        (f"{line}\n", "error" if line.removeprefix("new: ").startswith("mandatory ") else "warning")
        for line in (report.policies or ([], 0))[0]
    ]
    diagnostics = [{"message": message, "severity": severity} for message, severity in told]
    found: Object = {"steps": steps, "changeSummary": dict(sorted(counted.items()))}
    return found | ({"diagnostics": diagnostics} if diagnostics else {})


def _steps(difference: Difference, redactor: Redactor) -> Iterator[Object]:
    if difference.op == "replace" and _two_urns(difference):
        # for the CLI these are two resources, and neither knows of the other
        yield from _steps(Difference("create", None, difference.new), redactor)
        yield from _steps(Difference("delete", difference.old, None), redactor)
        return
    step: Object = {"op": difference.op, "urn": difference.resource.urn}
    if difference.resource.provider:
        step["provider"] = difference.resource.provider
    if difference.old:
        step["oldState"] = _state(difference.old, redactor)
    if difference.new:
        step["newState"] = _state(difference.new, redactor)
    changes = [change for change in difference.changes if change.path[0] != OPTIONS]
    if changes:
        step["diffReasons"] = sorted({redactor.text(str(change.path[0])) for change in changes})
    if difference.reasons:
        step["replaceReasons"] = sorted({redactor.text(str(path[0])) for path in difference.reasons})
    step["detailedDiff"] = {
        redactor.text(label(change, difference)): {"kind": _kind(change, difference), "inputDiff": True}
        for change in changes
    } or None
    yield step


def _two_urns(difference: Difference) -> bool:
    old, new = difference.old, difference.new
    return bool(old and new and old.urn != new.urn and old.urn not in new.options.aliases)


def _kind(change: Change, difference: Difference) -> str:
    kind = "add" if change.before is None else "delete" if change.after is None else "update"
    return f"{kind}-replace" if change.path in difference.reasons else kind


def label(change: Change, difference: Difference) -> str:
    """A path as the CLI writes it: a named thing of a list by its place in the list."""
    source = difference.old if change.after is None else difference.new
    value: Any = {} if source is None else body(source)
    path: Path = ()
    for step in change.path:
        if isinstance(step, str) and step.startswith("[") and isinstance(value, list):
            names = [cast("Object", each).get("name") for each in cast("list[Any]", value)]
            step = names.index(step[1:-1]) if step[1:-1] in names else step
        path = (*path, step)
        value = child(value, step)
    return replace(change, path=path).label


def _state(resource: Resource, redactor: Redactor) -> Object:
    """A resource as a state file has it (ResourceV3 of pulumi/pulumi), without its empty fields."""
    options = resource.options
    state: Object = {
        "urn": resource.urn,
        "custom": resource.custom,
        "type": resource.type,
        "inputs": masked_properties(resource, redactor),
        "parent": resource.parent,
        "protect": options.protect,
        "dependencies": list(options.dependencies),
        "provider": resource.provider,
        "aliases": list(options.aliases),
        "retainOnDelete": options.retain,
        "ignoreChanges": list(options.ignore_changes),
        "replaceOnChanges": list(options.replace_on_changes),
    }
    return {key: redactor.data(value) for key, value in state.items() if value or key == "custom"}
