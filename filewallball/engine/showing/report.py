"""Tells the user what happens: lines as it goes, a tree for a preview, colour on a terminal."""

from __future__ import annotations

import json
import sys
import threading
from typing import IO, TYPE_CHECKING, Any, cast

from filewallball.engine.showing.diff import Change
from filewallball.engine.showing.steps import SIGNS, Action, Result, Step
from filewallball.redact import Redactor

if TYPE_CHECKING:
    from rich.console import Console
    from rich.status import Status

COLOURS: dict[Action, str] = {
    "create": "green",
    "update": "yellow",
    "replace": "magenta",
    "delete": "red",
    "failed": "bold red",
    "skipped": "dim",
    "foreign": "cyan",
    "same": "dim",
    "keep": "cyan",
}
DONE: dict[Action, str] = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "same": "unchanged",
    "keep": "kept",
    "read": "read",
    "failed": "FAILED",
    "skipped": "not reached",
    "foreign": "left to the Pulumi CLI",
}
LONGEST_VALUE = 120


class Reporter:
    """Writes through the redactor, from any thread. `quiet` writes nothing: for `--json`."""

    def __init__(
        self, stream: IO[str] | None = None, *, quiet: bool = False, show_diff: bool = False
    ) -> None:
        self.redactor = Redactor()
        self.show_diff = show_diff
        self._stream = stream or sys.stdout
        self._quiet = quiet
        self._lock = threading.Lock()
        self._console: Console | None = None
        self._status: Status | None = None
        if not quiet and self._stream.isatty():
            from rich.console import Console

            self._console = Console(file=self._stream, highlight=False, soft_wrap=True)

    def line(self, text: str, style: str = "") -> None:
        """One line, or several."""
        if self._quiet:
            return
        text = self.redactor.text(text)
        with self._lock:
            if self._console:
                self._console.print(text, style=style or None, markup=False)
            else:
                self._stream.write(f"{text}\n")
                self._stream.flush()

    def working(self, text: str) -> None:
        """What is going on, on a terminal; nothing elsewhere. Empty text ends it."""
        if not self._console:
            return
        with self._lock:
            if not text:
                if self._status:
                    self._status.stop()
                self._status = None
                return
            from rich.markup import escape

            shown = escape(self.redactor.text(text))[: self._console.width - 4]
            if self._status is None:
                self._status = self._console.status(shown)
                self._status.start()
            else:
                self._status.update(shown)

    def step(self, step: Step) -> None:
        """A resource is done; unchanged ones are left to the summary."""
        if step.action in ("same", "component", "read"):
            return
        time = f" ({step.seconds:.1f} s)" if step.seconds >= 0.05 else ""
        note = f": {step.note}" if step.note else ""
        self.line(
            f" {SIGNS[step.action]:>2} {step.title} {DONE[step.action]}{time}{note}",
            COLOURS.get(step.action, ""),
        )
        if self.show_diff:
            for change in step.changes:
                self.line(f"       {change_text(change)}")

    def progress(self, title: str, text: str, *, lasting: bool) -> None:
        """A resource waits for something; a line of its own only if that lasts."""
        if lasting:
            self.line(f"    {title}: {text}", "dim")
        self.working(f"{title}: {text}")

    def tree(self, steps: list[Step]) -> None:
        """All resources below their parents, with signs, and what would change."""
        children: dict[str, list[Step]] = {}
        known = {step.resource.urn for step in steps}
        for step in steps:
            parent = step.resource.parent if step.resource.parent in known else ""
            children.setdefault(parent, []).append(step)
        self._branch(children, "", "")

    def _branch(self, children: dict[str, list[Step]], parent: str, indent: str) -> None:
        below = children.get(parent, [])
        for index, step in enumerate(below):
            last = index == len(below) - 1
            note = f"  ({step.note})" if step.note else ""
            joint = "" if not parent else "└─ " if last else "├─ "
            self.line(
                f" {SIGNS[step.action]:>2} {indent}{joint}{step.title}{note}", COLOURS.get(step.action, "")
            )
            deeper = "" if not parent else indent + ("   " if last else "│  ")
            if self.show_diff and step.action in ("update", "replace"):
                for change in step.changes:
                    self.line(f"    {deeper}  {change_text(change)}")
            self._branch(children, step.resource.urn, deeper)

    def summary(self, result: Result) -> None:
        """The closing lines: failures, counts, outputs, where the time went."""
        self.working("")
        for failure in result.failures:
            # the whole story of a failure was told when it happened
            self.line(
                f"\nFAILED {failure if result.command == 'preview' else failure.partition(chr(10))[0]}",
                "bold red",
            )
        would = result.command == "preview"
        words = [
            f"{number} {'to ' + _verb(name) if would else _past(name)}"
            for name, number in result.counts.items()
        ]
        nothing = "nothing to delete" if result.command == "destroy" else "nothing declared"
        self.line(f"\n{', '.join(words) or nothing} ({result.seconds:.1f} s)")
        if result.outputs and not would:
            self.line("Outputs:")
            for name, text in _flat("", result.outputs):
                self.line(f"  {name}: {text}")

    def profile(self, result: Result) -> None:
        """Seconds by phase."""
        for name, value in result.profile.items():
            self.line(f"  {value:7.3f} s  {name}")


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Nested outputs as dotted names, sorted."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return [
            line
            for name in sorted(fields)
            for line in _flat(f"{prefix}.{name}" if prefix else name, fields[name])
        ]
    return [(prefix, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))]


def _verb(action: str) -> str:
    return {
        "same": "leave as is",
        "failed": "fail",
        "skipped": "skip",
        "foreign": "look at with the Pulumi CLI",
    }.get(action, action)


def _past(action: str) -> str:
    words: dict[Any, str] = dict(DONE)
    return words[action].lower()


def change_text(change: Change) -> str:
    """`path: before → after`, in one line."""
    if change.before is None:
        return f"{change.label}: + {_short(change.after)}"
    if change.after is None:
        return f"{change.label}: - {_short(change.before)}"
    return f"{change.label}: {_short(change.before)} → {_short(change.after)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
