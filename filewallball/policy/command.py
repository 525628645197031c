"""`fwb policy`: what is judged, by which configuration, and how the outcome is told."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filewallball.engine import run
from filewallball.engine.program.resources import Resource
from filewallball.engine.showing.report import Reporter
from filewallball.errors import ConfigError
from filewallball.files import read_text
from filewallball.policy import pack, state
from filewallball.project import load_project, load_stack

_COLOURS = {"mandatory": "bold red", "advisory": "yellow", "remedied": "green"}
_MOST_UNKNOWN = 5


def execute(
    root: Path, stack: str | None, exported: Path | None, configuration: Path | None, *, as_json: bool
) -> int:
    """Judge a stack, or an exported state; the exit code is 1 if a mandatory rule is violated.

    Raises ConfigError for a wrong call or a wrong configuration, before anything is judged.
    """
    began = time.monotonic()
    reporter = Reporter(quiet=as_json)
    if (stack is None) == (exported is None):
        raise ConfigError(
            "Give a stack or an exported state, one of the two",
            "Write `fwb policy STACK`, or `fwb policy --state FILE`.",
        )
    project = load_project(root)
    configured: Any = _configuration(configuration) if configuration else {}
    if exported:
        subject, protected = str(exported), False
        resources = state.resources(exported, reporter.redactor)
    else:
        subject = str(stack)
        protected = load_stack(project, subject).values.get(f"{project.name}:protect") == "true"
        graph = run.render(root, subject, reporter)
        resources = [_given(each) for each in graph.resources]
    with pack.opened(project) as rules:
        if faults := rules.faults(configured):
            lines = "\n".join(f"  {each}" for each in faults)
            raise ConfigError(
                f"{configuration} configures the policy pack wrongly:\n{lines}",
                "Mend these, or leave --config out.",
            )
        outcome = rules.judge(resources, configured, protected=protected)
    return _tell(outcome, subject, len(resources), time.monotonic() - began, reporter, as_json=as_json)


def _given(resource: Resource) -> dict[str, Any]:
    return {
        "urn": resource.urn,
        "type": resource.type,
        "name": resource.name,
        "props": resource.props,
        "protect": resource.options.protect,
        "needs": {"": list(resource.options.dependencies)},
        "secrets": resource.secret_paths,
    }


def _configuration(path: Path) -> Any:
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{path} is no JSON: {error}", 'Write a mapping of rules, such as {"image-digest": "advisory"}.'
        ) from None


def _tell(
    outcome: dict[str, Any],
    subject: str,
    resources: int,
    seconds: float,
    reporter: Reporter,
    *,
    as_json: bool,
) -> int:
    levels = [each["level"] for each in outcome["violations"]]
    failed = "mandatory" in levels
    if as_json:
        counts = {level: levels.count(level) for level in ("mandatory", "advisory")}
        shown = {"subject": subject, "resources": resources, "summary": counts, **outcome}
        print(json.dumps(reporter.redactor.data(shown), indent=2, ensure_ascii=False))
        return 1 if failed else 0
    reporter.line(f"policy {subject}: {resources} resources, {outcome['rules']} rules ({seconds:.1f} s)")
    for level in ("mandatory", "advisory"):
        _list(level, [each for each in outcome["violations"] if each["level"] == level], reporter)
    _list("remedied", outcome["remedied"], reporter)
    if unknown := outcome["unknown"]:
        reporter.line(
            f"{len(unknown)} values were not judged: they are encrypted, or known only after the deployment"
        )
        for each in unknown[:_MOST_UNKNOWN]:
            reporter.line(f"  {each['resource']}: {each['path']}")
        if len(unknown) > _MOST_UNKNOWN:
            reporter.line(f"  … and {len(unknown) - _MOST_UNKNOWN} more; --json lists all")
    told = ", ".join(f"{levels.count(each)} {each}" for each in ("mandatory", "advisory"))
    reporter.line(f"FAILED: {told}" if failed else f"OK: {told}", "bold red" if failed else "green")
    return 1 if failed else 0


def _list(level: str, found: list[Mapping[str, Any]], reporter: Reporter) -> None:
    """The violations of one level, rule by rule."""
    for rule, reason in dict.fromkeys((each["rule"], each["reason"]) for each in found):
        reporter.line(f"{level} {rule}: {reason}", _COLOURS[level])
        for each in found:
            if each["rule"] == rule:
                reporter.line(f"  {each['message']}")
