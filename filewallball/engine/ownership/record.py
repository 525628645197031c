"""What the cluster remembers of a stack: which engine owns it, and which kinds of objects it has."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from filewallball.engine.ownership.lock import CONTROL_NAMESPACE
from filewallball.errors import UserError
from filewallball.kube import Kube

MANAGER = "fwb"
LABEL = "fwb.filewallball.io/stack"
RECORD_LABEL = "fwb.filewallball.io/record"
EMBEDDED = "embedded"
LONGEST_LABEL = 63
"""Characters that Kubernetes takes as the value of a label."""


@dataclass
class Record:
    """`kinds` are group-kinds (`apps/Deployment`): where to look for objects that are no longer declared."""

    engine: str = EMBEDDED
    kinds: set[str] = field(default_factory=set[str])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])


class Store:
    """Reads and writes the record of one stack: the ConfigMap `fwb-<project>-<stack>` in `default`."""

    def __init__(self, kube: Kube, project: str, stack: str) -> None:
        self.name = record_name(project, stack)
        self._kube = kube
        self._project = project
        self._stack = stack

    def load(self) -> Record | None:
        """The record, None for a stack that was never deployed here."""
        found = self._kube.get("v1", "ConfigMap", self.name, CONTROL_NAMESPACE)
        if found is None:
            return None
        data: dict[str, str] = found.get("data") or {}
        return Record(
            engine=data.get("engine", EMBEDDED),
            kinds=set(json.loads(data.get("kinds", "[]"))),
            outputs=json.loads(data.get("outputs", "{}")),
        )

    def save(self, record: Record) -> None:
        """Write the record; outputs must be free of secrets."""
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.name,
                "namespace": CONTROL_NAMESPACE,
                "labels": {RECORD_LABEL: "true"},
            },
            "data": {
                "engine": record.engine,
                "project": self._project,
                "stack": self._stack,
                "kinds": json.dumps(sorted(record.kinds)),
                "outputs": json.dumps(record.outputs, sort_keys=True),
            },
        }
        self._kube.apply(manifest, manager=MANAGER, force=True)

    def delete(self) -> None:
        """Forget the stack."""
        self._kube.delete("v1", "ConfigMap", self.name, CONTROL_NAMESPACE)

    def load_own(self, *, take_over: bool = False) -> Record | None:
        """The record, if this engine may write here. Raises UserError that says how to move over."""
        record = self.load()
        if record and record.engine != EMBEDDED and not take_over:
            raise UserError(
                f"stack {self._stack} of {self._project} is owned by the Pulumi CLI",
                "Use `--engine pulumi`. To move the stack to the embedded engine, run\n"
                f"  `pulumi stack rm --force --preserve-config {self._stack}` (objects and file stay),"
                " and then\n"
                f"  `fwb up {self._stack} --engine embedded --take-over`.",
            )
        return record


def record_name(project: str, stack: str) -> str:
    """A name that Kubernetes accepts for the stack's lock and record."""
    return re.sub(r"[^a-z0-9-]+", "-", f"fwb-{project}-{stack}".lower()).strip("-")


def label_value(project: str, stack: str) -> str:
    """The value of the stack's label, at most 63 characters. Each stack has another: `destroy` goes by it."""
    value = f"{project}.{stack}"
    if len(value) > LONGEST_LABEL:
        digest = hashlib.sha256(value.encode()).hexdigest()[:12]
        value = f"{value[: LONGEST_LABEL - 13]}-{digest}"
    return value.strip("-._")
