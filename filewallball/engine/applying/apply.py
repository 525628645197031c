"""`up`: writes each declared object to the cluster as the program registers it, and awaits it."""

from __future__ import annotations

import threading
import time
from typing import Any

from filewallball.engine.applying.handlers import Base
from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.table import VOLUME
from filewallball.engine.ownership.guards import refuse_move
from filewallball.engine.ownership.session import Session, refusal
from filewallball.engine.program.graph import Providers
from filewallball.engine.program.resources import DEFAULT_TIMEOUT, Key, Outcome, Resource, key_of
from filewallball.engine.showing.diff import changes, secret_paths, touches
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Step
from filewallball.engine.waiting import readiness
from filewallball.engine.waiting.rollout import Stopped, Waiter
from filewallball.errors import UserError
from filewallball.kube import KubeError, UnknownKind

Object = dict[str, Any]
GRACE = 30.0
"""Seconds for what is under way when something fails. It may still finish, so that one run tells of several
faults.
"""
SERVED_WITHIN = 30.0
"""Seconds in which the API server must serve a new kind."""


class Applier(Base):
    """Stops taking on resources at the first failure, or when `halt` is set from outside."""

    def __init__(
        self,
        session: Session,
        providers: Providers,
        waiter: Waiter,
        reporter: Reporter,
        halt: threading.Event,
    ) -> None:
        super().__init__(lambda severity, message: reporter.line(f"    {severity}: {message}"))
        self.declared: set[Key] = set()
        self.failures: list[str] = []
        self._session = session
        self._providers = providers
        self._waiter = waiter
        self._reporter = reporter
        self._halt = halt

    def deploy(self, resource: Resource) -> Outcome:
        """Create or change one object and wait until it is ready."""
        if self.failures or self._halt.is_set():
            self.add(Step(resource, "skipped"))
            return Outcome(result="skipped")
        begin = time.monotonic()
        try:
            step, obj = self._deploy(resource)
        except Stopped as stopped:
            self.add(Step(resource, "skipped", note=str(stopped)))
            return Outcome(result="skipped")
        except UserError as error:
            self._fail(resource, error, time.monotonic() - begin)
            return Outcome(result="failed")
        step.seconds = time.monotonic() - begin
        self.add(step)
        self._reporter.step(step)
        resource.secret_paths += secret_paths(obj)
        key = key_of(obj)
        return Outcome(id=f"{key.namespace}/{key.name}" if key.namespace else key.name, outputs=obj)

    def read(self, resource: Resource, id_: str) -> Outcome:
        """The live object that the program refers to by `namespace/name`."""
        namespace, _, name = id_.rpartition("/")
        found = self._session.kube.get(resource.api_version, resource.kind, name, namespace or None)
        if found is None:
            raise UserError(
                f"{resource.kind} {id_}, which the program reads, does not exist",
                "Make it, or correct its name.",
            )
        return Outcome(id=id_, outputs=found)

    def _fail(self, resource: Resource, error: UserError, seconds: float) -> None:
        key = self._key(resource)
        text = str(error) if key in str(error) else f"{key}: {error}"
        with self._lock:
            first = not self.failures
            # when the server goes away, everything under way says the same
            if not any(str(error) in known for known in self.failures):
                self.failures.append(text)
        self.add(Step(resource, "failed", note=text, seconds=seconds))
        self._reporter.line(f"  ! {text}", "bold red")
        if first:
            timer = threading.Timer(GRACE, self._halt.set)
            timer.daemon = True
            timer.start()

    def _key(self, resource: Resource) -> str:
        meta = resource.meta
        name = str(meta.get("name") or resource.name)
        return (
            f"{resource.kind} {meta['namespace']}/{name}"
            if meta.get("namespace")
            else f"{resource.kind} {name}"
        )

    def _deploy(self, resource: Resource) -> tuple[Step, Object]:
        manifest = self._manifest(resource)
        key = key_of(manifest)
        with self._lock:
            self.declared.add(key)
        live = self._session.find(resource, manifest)
        if live and live["metadata"].get("deletionTimestamp"):
            self._say(key, "waiting for its predecessor to be gone")
            self._waiter.wait_gone(live, DEFAULT_TIMEOUT)
            live = None
        if live is None:
            moved_from = self._predecessor(resource, key)
            self._free_volume(manifest)
            obj = self._session.apply(self._session.adorned(resource, manifest, None))
            step = Step(resource, "replace" if moved_from else "create", key, note=moved_from)
            timeout = resource.options.timeout("create")
        else:
            step, obj = self._change(resource, manifest, live)
            timeout = resource.options.timeout("update" if step.action in ("update", "same") else "create")
        return step, self._waiter.wait(obj, timeout, lambda text, lasting: self._say(key, text, lasting))

    def _manifest(self, resource: Resource) -> Object:
        """The object to write; a kind that was defined a moment ago may take a while to be served."""
        deadline = time.monotonic() + SERVED_WITHIN
        while True:
            try:
                return self._session.manifest(resource, self._providers.namespace(resource))
            except UnknownKind:
                if time.monotonic() > deadline or not self._session.is_defined(resource):
                    raise
                # discovery follows a definition by itself, without anything that could be watched
                if self._halt.wait(0.2):
                    raise Stopped(f"{self._key(resource)}: stopped before its kind was served") from None

    def _predecessor(self, resource: Resource, key: Key) -> str:
        """Deal with the object that this resource stood for under another name; returns a note on it."""
        old = self._session.earlier(resource)
        if old is None or key_of(old) == key:
            return ""
        refuse_move(self._session, resource, key)
        why, hint = refusal(old, protect=resource.options.protect, retain=False)
        if why and "protected" in why:
            raise UserError(f"{why}, and {key} would take its place", hint)
        if resource.options.delete_before_replace and not why:
            self.remove(old, resource.options.timeout("delete"))
        return f"takes the place of {key_of(old)}"

    def _change(self, resource: Resource, manifest: Object, live: Object) -> tuple[Step, Object]:
        key = key_of(manifest)
        sent = self._session.adorned(resource, manifest, live)
        obj, reason = update_in_place(self._session, resource, sent, live)
        if obj:
            found = changes(live, obj, resource.secret_paths)
            return Step(resource, "update" if found else "same", key, changes=found), obj
        self._say(key, f"making it anew: {reason}")
        self.remove(live, resource.options.timeout("delete"))
        obj = self._session.apply(sent)
        return Step(
            resource, "replace", key, changes(live, obj, resource.secret_paths), note=short(reason)
        ), obj

    def remove(self, obj: Object, timeout: float) -> None:
        """Delete an object with what it owns, and wait until it has gone."""
        key = key_of(obj)
        self._session.kube.delete(
            obj["apiVersion"],
            obj["kind"],
            key.name,
            key.namespace or None,
            propagation="Foreground" if kind_of(obj).foreground else "Background",
            uid=obj["metadata"]["uid"],
        )
        self._waiter.wait_gone(obj, timeout)

    def _free_volume(self, manifest: Object) -> None:
        """Let a new claim have the volume of its deleted namesake, whose uid the volume remembers.

        There is no such claim any more, whatever phase the volume's controller has got to by now.
        """
        volume_name = manifest.get("spec", {}).get("volumeName")
        if not kind_of(manifest).claims_volume or not volume_name:
            return
        volume = self._session.kube.get(VOLUME.api_version, VOLUME.name, volume_name)
        reference: Object = (volume or {}).get("spec", {}).get("claimRef") or {}
        meta = manifest["metadata"]
        same = (reference.get("namespace"), reference.get("name")) == (meta["namespace"], meta["name"])
        kept = volume and volume["spec"].get("persistentVolumeReclaimPolicy") == "Retain"
        if kept and same and reference.get("uid"):
            self._say(key_of(manifest), f"taking back volume {volume_name}")
            forget = {"spec": {"claimRef": {"uid": None, "resourceVersion": None}}}
            self._session.kube.patch(VOLUME.api_version, VOLUME.name, volume_name, None, forget)

    def _say(self, key: Key, text: str, lasting: bool = True) -> None:
        self._reporter.progress(str(key), text, lasting=lasting)


def update_in_place(
    session: Session, resource: Resource, sent: Object, live: Object, *, dry_run: bool = False
) -> tuple[Object | None, str]:
    """The updated object, or None and why it must be made anew; `up` and `preview` both decide by this.

    Raises UserError where making it anew would delete what is protected or holds data.
    """
    reason = _replacement_reason(session, resource, sent, live)
    if not reason:
        try:
            return session.apply(sent, dry_run=dry_run), ""
        except KubeError as error:
            if not session.needs_replacement(sent, error):
                raise
            reason = error.message
    why, hint = refusal(live, protect=resource.options.protect, retain=resource.options.retain)
    if why:
        raise UserError(f"{reason}; {why}", hint)
    return None, reason


def _replacement_reason(session: Session, resource: Resource, sent: Object, live: Object) -> str:
    """Why the object must be made anew although the server might take the update; empty if not."""
    if kind_of(live).anew_after_failure and readiness.of(live).phase == "failed":
        return "it had failed"
    paths = resource.options.replace_on_changes
    if paths:
        try:
            would = session.apply(sent, dry_run=True)
        except KubeError:  # the update itself meets it again, and knows what follows from it
            return ""
        if touches(changes(live, would), paths):
            return f"replaceOnChanges: {', '.join(paths)}"
    return ""


def short(text: str) -> str:
    """The first hundred characters of a server's explanation."""
    return text if len(text) <= 100 else f"{text[:99]}…"
