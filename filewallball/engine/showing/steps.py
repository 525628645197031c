"""What a run did or would do, as data."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from filewallball.engine.program.resources import Key, Resource
from filewallball.engine.showing.diff import Change
from filewallball.redact import MASK, Redactor

Action = Literal[
    "create",
    "update",
    "replace",
    "delete",
    "same",
    "keep",
    "read",
    "component",
    "failed",
    "skipped",
    "foreign",
]
SIGNS: dict[Action, str] = {
    "create": "+",
    "update": "~",
    "replace": "+-",
    "delete": "-",
    "same": "=",
    "keep": "=",
    "read": "=",
    "component": " ",
    "failed": "!",
    "skipped": ".",
    "foreign": "?",
}
COUNTED = tuple(action for action in SIGNS if action not in ("read", "component"))


@dataclass
class Step:
    """One resource and what became of it. `key` is None for what is no object in the cluster."""

    resource: Resource
    action: Action
    key: Key | None = None
    changes: list[Change] = field(default_factory=list[Change])
    note: str = ""
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """What users know it by."""
        return str(self.key) if self.key else f"{self.resource.type} {self.resource.name}"

    def as_json(self, redactor: Redactor) -> dict[str, Any]:
        """The step as plain data, secrets masked."""
        data: dict[str, Any] = {
            "urn": self.resource.urn,
            "type": self.resource.type,
            "name": self.resource.name,
            "parent": self.resource.parent,
            "action": self.action,
            "object": self.key._asdict() if self.key else None,
            "diff": [{"path": c.label, "before": c.before, "after": c.after} for c in self.changes],
            "note": self.note,
            "seconds": round(self.seconds, 3),
        }
        return redactor.data(data)


@dataclass
class Result:
    """The outcome of a run. Everything in it has been through the redactor when it leaves `as_json`."""

    command: str
    project: str
    stack: str
    redactor: Redactor
    server: str = ""
    context: str = ""
    steps: list[Step] = field(default_factory=list[Step])
    failures: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    interrupted: bool = False
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    profile: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 if all went well, 1 if something is wrong."""
        return 1 if self.failures else 0

    @property
    def counts(self) -> dict[str, int]:
        """How many objects were created, updated and so on."""
        counted = Counter(step.action for step in self.steps)
        return {action: counted[action] for action in COUNTED if counted[action]}

    def as_json(self) -> dict[str, Any]:
        """The whole result as plain data."""
        return {
            "command": self.command,
            "project": self.project,
            "stack": self.stack,
            "cluster": {"server": self.server, "context": self.context},
            "resources": [step.as_json(self.redactor) for step in self.steps],
            "summary": self.counts,
            "outputs": self.redactor.data(self.outputs),
            "warnings": [self.redactor.text(text) for text in self.warnings],
            "failures": [self.redactor.text(text) for text in self.failures],
            "profile": {name: round(value, 3) for name, value in self.profile.items()},
            "seconds": round(self.seconds, 3),
        }


def public_outputs(outputs: dict[str, Any], secret_names: set[str], redactor: Redactor) -> dict[str, Any]:
    """A stack's outputs with the secret ones masked."""
    return {name: MASK if name in secret_names else redactor.data(value) for name, value in outputs.items()}


def foreign_step(resource: Resource) -> Step:
    """A resource of which only its provider knows what would become of it."""
    return Step(resource, "foreign", note="made by the Pulumi CLI, which alone can look at it")


class Profile:
    """Where the time of a run goes: seconds by phase."""

    def __init__(self, before: dict[str, float]) -> None:
        self.phases = dict(before)
        self._begin = time.monotonic() - sum(before.values())

    @contextmanager
    def __call__(self, phase: str) -> Generator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.phases[phase] = self.phases.get(phase, 0.0) + time.monotonic() - begin

    def total(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begin
