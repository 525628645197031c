"""The engine's commands as the command line has them: options in, exit code out."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from filewallball.engine import native, run
from filewallball.engine.kinds import kind_of
from filewallball.engine.ownership.record import EMBEDDED
from filewallball.engine.program.graph import Graph
from filewallball.engine.program.resources import key_of
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Result
from filewallball.errors import WORK_BEGUN, ConfigError
from filewallball.explain import explained

Checked = tuple[int, list[dict[str, Any]]]
"""An exit code, and findings as plain data."""


@dataclass
class Flags:
    """The command line's switches, and when it began (time.monotonic)."""

    began: float
    engine: str = "auto"
    as_json: bool = False
    diff: bool = False
    profile: bool = False
    yes: bool = False
    take_over: bool = False
    purge: bool = False


def execute(
    command: str,
    root: Path,
    stack: str,
    flags: Flags,
    before: Callable[[Graph, Callable[[str], None]], None] | None = None,
    after: Callable[[bool], Checked] | None = None,
) -> int:
    """Run up, preview or destroy under the right engine, print the outcome, and return the exit code.

    `before` gets the graph before anything is applied (to bring images into a sandbox), and a way to talk.
    `after` is told whether all went well, checks what was made, and adds its findings and exit code.
    """
    reporter = Reporter(quiet=flags.as_json, show_diff=flags.diff)
    if native.choose(flags.engine) != EMBEDDED:
        code = _native(command, root, stack, flags, reporter, before)
        if code is not None:
            # also after a failure: the CLI says of a failed check no more than that its Job failed
            found = after(code == 0)[0] if after else 0
            return code or found
    options = run.Options(
        take_over=flags.take_over, purge=flags.purge, imports=time.monotonic() - flags.began
    )
    options.before = lambda graph: before(graph, reporter.working) if before else None
    options.confirm = lambda names: flags.yes or _ask(names, reporter)
    reporter.line(f"{command} {stack}")
    action = {"up": run.up, "preview": run.preview, "destroy": run.destroy}[command]
    try:
        result = action(root, stack, options, reporter)
    except Exception as error:
        known = explained(error)
        if known is None:
            raise
        # what the cluster answers may quote a Secret that only this run knows
        told = known.retold(reporter.redactor.text(known.message), reporter.redactor.text(known.hint))
        if flags.as_json:
            print(json.dumps({"failures": [str(told)], "exit": told.exit_code}))
        raise told from None
    finally:
        reporter.working("")
    if not flags.as_json:
        _show(result, flags, reporter)
    code, findings = after(not result.failures) if after and not result.interrupted else (0, None)
    if flags.as_json:
        checked = {} if findings is None else {"checks": findings}
        print(json.dumps(result.as_json() | reporter.redactor.data(checked), indent=2, ensure_ascii=False))
    return result.exit_code or code


def render(root: Path, stack: str, folder: Path | None, *, as_json: bool) -> None:
    """Print what the stack declares, as a list, as data, or as one YAML file per object."""
    reporter = Reporter(quiet=as_json)
    graph = run.render(root, stack, reporter)
    foreign = [each for each in graph.foreign if not each.remote]
    masked = [_masked(each) for each in graph.objects()]
    if folder:
        _write_objects(folder, reporter.redactor.data(masked))
    if as_json:
        resources = [
            {
                "urn": each.urn,
                "type": each.type,
                "name": each.name,
                "parent": each.parent,
                "props": each.props,
                "options": vars(each.options),
            }
            for each in graph.resources
        ]
        shown = reporter.redactor.data(
            {"resources": resources, "outputs": graph.outputs, "warnings": graph.warnings}
        )
        print(json.dumps(shown, indent=2, default=str))
    elif folder:
        reporter.line(f"{len(masked)} objects written to {folder}; secrets are masked")
    else:
        for manifest in masked:
            reporter.line(f"{manifest['apiVersion']:28} {key_of(manifest)}")
        for each in foreign:
            reporter.line(f"{each.type.rpartition(':')[0]:28} {each.kind} {each.name}")
    _warn(graph.warnings, reporter)


def _warn(warnings: Sequence[str], reporter: Reporter) -> None:
    for warning in warnings:
        reporter.line(f"\nwarning: {warning}", "yellow")


def _write_objects(folder: Path, objects: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, manifest in enumerate(objects):
        name = str(manifest["metadata"].get("name", "unnamed")).replace("/", "-")
        path = folder / f"{number:03}-{manifest['kind'].lower()}-{name}.yaml"
        path.write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True), encoding="utf-8")
        WORK_BEGUN.set()


def _masked(manifest: dict[str, Any]) -> dict[str, Any]:
    """The values of a Secret are no one's business, not even those that weren't marked."""
    field = kind_of(manifest).secret
    if not field:
        return manifest
    # "[secret]" in base64, so that it is valid
    return {**manifest, field: dict.fromkeys(manifest.get(field) or {}, "W3NlY3JldF0=")}


def _show(result: Result, flags: Flags, reporter: Reporter) -> None:
    if result.command == "preview":
        reporter.tree(result.steps)
        _warn(result.warnings, reporter)
    reporter.summary(result)
    if flags.profile:
        reporter.profile(result)


def _ask(names: list[str], reporter: Reporter) -> bool:
    if not sys.stdin.isatty():
        raise ConfigError("destroy asks before it deletes, and there is nobody to ask", "Give --yes.")
    for name in names:
        reporter.line(f"  - {name}")
    # Nothing is under way yet that an interruption would have to wait for.
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {each: signal.signal(each, signal.default_int_handler) for each in signals}
    try:
        return input(f"Delete these {len(names)} objects? Type yes to go on: ").strip().lower() == "yes"
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _native(
    command: str,
    root: Path,
    stack: str,
    flags: Flags,
    reporter: Reporter,
    before: Callable[[Graph, Callable[[str], None]], None] | None,
) -> int | None:
    """Run it with the Pulumi CLI; its exit code. None: it would miss a cluster that is still to be named."""
    if flags.purge or flags.take_over:
        raise ConfigError(
            "--purge and --take-over are for the embedded engine", "Add --engine embedded, or leave them out."
        )
    graph = run.render(root, stack, reporter, deploying=command == "up")
    if command == "preview" and graph.unnamed:
        return None
    arguments = [
        *(["--json"] if flags.as_json else []),
        *(["--diff"] if flags.diff else []),
        *(["--yes"] if flags.yes and command != "preview" else []),
    ]
    if before and command == "up":
        try:
            before(graph, reporter.working)
        finally:
            reporter.working("")
    return native.run(command, root, stack, run.load_project(root).name, graph, arguments)
