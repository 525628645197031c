"""Handlers of the program's registrations: what all have in common, and the one that only writes down."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Literal

from filewallball.engine.program.graph import Graph
from filewallball.engine.program.resources import USE_THE_CLI, Outcome, Resource
from filewallball.engine.showing.steps import Step
from filewallball.errors import UserError

Log = Callable[[str, str], None]


class Base:
    """Keeps the list of steps, and answers for components and providers."""

    def __init__(self, log: Log) -> None:
        self.steps: list[Step] = []
        self._lock = threading.Lock()
        self._log = log

    def log(self, severity: Literal["debug", "info", "warning", "error"], message: str) -> None:
        """What the program says through `pulumi.log`."""
        if severity != "debug":
            self._log(severity, message)

    def register(self, resource: Resource) -> Outcome:
        """Carry out one registration."""
        if not resource.custom and not resource.remote:
            self.add(Step(resource, "component"))
            return Outcome()
        if resource.type.startswith("pulumi:providers:"):
            return Outcome(id=resource.name, outputs=resource.props)
        if not resource.is_kubernetes:
            return self.foreign(resource)
        return self.deploy(resource)

    def foreign(self, resource: Resource) -> Outcome:
        """Carry out the registration of what is no object of a cluster."""
        raise UserError(f"The embedded engine cannot deploy {resource.urn}", USE_THE_CLI)

    def deploy(self, resource: Resource) -> Outcome:
        """Carry out the registration of an object."""
        raise NotImplementedError

    def read(self, resource: Resource, id_: str) -> Outcome:
        """Look up an object that the program only refers to (`.get`)."""
        raise NotImplementedError

    def add(self, step: Step) -> None:
        """Append a step."""
        with self._lock:
            self.steps.append(step)


class Collector(Base):
    """Writes down what is declared, and answers with the inputs; touches no cluster."""

    def __init__(self) -> None:
        super().__init__(self._warned)
        self.graph = Graph()

    def _warned(self, severity: str, message: str) -> None:
        if severity == "warning":
            self.graph.warnings.append(message)

    def register(self, resource: Resource) -> Outcome:
        """Write it down, whatever it is."""
        with self._lock:
            self.graph.resources.append(resource)
        return Outcome(id=object_id(resource), outputs=resource.props if resource.custom else {})

    def read(self, resource: Resource, id_: str) -> Outcome:
        """Nothing is known of an object that lives in a cluster."""
        return Outcome(id=id_, outputs=resource.props)


def object_id(resource: Resource) -> str:
    """The id that the Kubernetes provider gives: `namespace/name` or `name`."""
    meta = resource.meta
    if not meta.get("name"):
        return ""
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])
