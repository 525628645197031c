"""`preview`: asks the server what each declared object would become, and changes nothing."""

from __future__ import annotations

import json
from typing import Any

from filewallball.engine.applying.apply import short, update_in_place
from filewallball.engine.applying.handlers import Base
from filewallball.engine.ownership.guards import refuse_move
from filewallball.engine.ownership.session import Session
from filewallball.engine.program.graph import Graph, Providers
from filewallball.engine.program.resources import UNKNOWN, Key, Outcome, Resource, key_of
from filewallball.engine.showing.diff import changes, declared_changes, secret_paths
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Step, foreign_step
from filewallball.errors import UserError
from filewallball.kube import KubeError, UnknownKind, Unreachable

Object = dict[str, Any]


class Planner(Base):
    """Takes each object through a server-side dry run: defaults, admission and immutability are real."""

    def __init__(self, session: Session, providers: Providers, graph: Graph, reporter: Reporter) -> None:
        super().__init__(lambda severity, message: reporter.line(f"    {severity}: {message}"))
        self.declared: set[Key] = set()
        self.failures: list[str] = []
        self._session = session
        self._providers = providers
        self._graph = graph

    def deploy(self, resource: Resource) -> Outcome:
        """Find out what would become of one object."""
        outputs = resource.manifest()
        try:
            step, outputs = self._plan(resource)
        except Unreachable:
            raise
        except UserError as error:
            step = Step(resource, "failed", note=str(error))
            self.failures.append(f"{resource.kind} {resource.meta.get('name') or resource.name}: {error}")
        self.add(step)
        resource.secret_paths += secret_paths(outputs)
        meta = outputs["metadata"]
        id_ = f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta.get("name") or "")
        return Outcome(id=id_, outputs=outputs)

    def foreign(self, resource: Resource) -> Outcome:
        """Show it: what would become of it is for its own provider to say."""
        self.add(foreign_step(resource))
        return Outcome(id=resource.name, outputs=resource.props)

    def read(self, resource: Resource, id_: str) -> Outcome:
        """The live object, or nothing known of it where it isn't there yet."""
        namespace, _, name = id_.rpartition("/")
        found = self._session.kube.get(resource.api_version, resource.kind, name, namespace or None)
        return Outcome(id=id_, outputs=found or {})

    def _plan(self, resource: Resource) -> tuple[Step, Object]:
        try:
            manifest = self._session.manifest(resource, self._providers.namespace(resource))
        except UnknownKind:
            if self._is_defined(resource):
                return Step(resource, "create", note="its kind is defined by this stack"), resource.manifest()
            raise
        key = key_of(manifest)
        with self._lock:
            self.declared.add(key)
        live = self._session.find(resource, manifest)
        if live and not live["metadata"].get("deletionTimestamp"):
            return self._plan_change(resource, manifest, live)
        refuse_move(self._session, resource, key)
        old = self._session.earlier(resource)
        moved = f"takes the place of {key_of(old)}" if old and key_of(old) != key else ""
        self._validate(self._session.adorned(resource, manifest, None))
        return Step(resource, "replace" if moved else "create", key, note=moved), manifest

    def _plan_change(self, resource: Resource, manifest: Object, live: Object) -> tuple[Step, Object]:
        key = key_of(manifest)
        sent = self._session.adorned(resource, manifest, live)
        if _has_unknowns(sent):
            found = declared_changes(live, sent, resource.secret_paths)
            return Step(resource, "update", key, found, note="some values are known only after up"), manifest
        would, reason = update_in_place(self._session, resource, sent, live, dry_run=True)
        if would:
            found = changes(live, would, resource.secret_paths)
            return Step(resource, "update" if found else "same", key, changes=found), would
        found = declared_changes(live, sent, resource.secret_paths)
        return Step(resource, "replace", key, found, note=short(reason)), manifest

    def _validate(self, sent: Object) -> None:
        """Let the server check an object that isn't there yet, and whose namespace may not be either."""
        if _has_unknowns(sent):
            return
        try:
            self._session.apply(sent, dry_run=True)
        except KubeError as error:
            if error.status != 404 or not sent["metadata"].get("namespace"):
                raise
            self._session.try_elsewhere(sent)

    def _is_defined(self, resource: Resource) -> bool:
        group = resource.api_version.rpartition("/")[0]
        for each in self._graph.kubernetes:
            spec: Object = each.props.get("spec") or {}
            names: Object = spec.get("names") or {}
            if spec.get("group") == group and names.get("kind") == resource.kind:
                return True
        return False


def unseen(graph: Graph) -> list[Step]:
    """A preview without a cluster: what is there already can't be said, so everything counts as new."""
    steps: list[Step] = []
    for each in graph.resources:
        if each.is_kubernetes:
            steps.append(Step(each, "create", key_of(each.manifest())))
        elif each.remote or each.is_foreign:
            steps.append(foreign_step(each))
        elif not each.custom:
            steps.append(Step(each, "component"))
    return steps


def _has_unknowns(manifest: Object) -> bool:
    return UNKNOWN in json.dumps(manifest)
