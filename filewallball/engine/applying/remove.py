"""Deletes objects of a stack: what depends on others first, and nothing that must stay."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.table import NAMESPACE
from filewallball.engine.ownership.guards import Occupied, occupants, occupied_note
from filewallball.engine.ownership.record import LABEL
from filewallball.engine.ownership.session import OPTIONS, URN, Session, notes_of, urn_of
from filewallball.engine.program.resources import DEFAULT_TIMEOUT, Key, Resource, key_of
from filewallball.engine.showing.diff import PREFIX
from filewallball.engine.showing.report import Reporter
from filewallball.engine.showing.steps import Step
from filewallball.engine.waiting.rollout import Stopped, Waiter
from filewallball.errors import UserError

Object = dict[str, Any]


def undeclared(session: Session, declared: set[Key]) -> list[Object]:
    """The stack's objects that the program no longer declares, and that no earlier run has left aside."""
    return [
        obj
        for key, obj in session.live.items()
        if key not in declared
        and not _is_controlled(obj)
        and not (notes_of(obj).get("aside") and _home_stays(obj, declared))
    ]


def aside(session: Session) -> list[Object]:
    """What earlier runs kept although the program no longer declared it: `destroy --purge` finds it."""
    return [obj for obj in session.live.values() if notes_of(obj).get("aside")]


def split(
    objects: list[Object], occupied: Collection[str] = (), *, purge: bool = False
) -> tuple[list[Object], list[Object], list[Object]]:
    """Sort into what may go, what is kept, and what is protected.

    A namespace stays as long as anything in it is kept, or is somebody else's (`occupied` names those): it
    would take everything along.
    """
    protected = [obj for obj in objects if notes_of(obj).get("protect")]
    kept = [] if purge else [obj for obj in objects if notes_of(obj).get("retain") and obj not in protected]
    pinned = {obj["metadata"].get("namespace") for obj in [*kept, *protected]} | set(occupied)
    kept += [
        obj
        for obj in objects
        if kind_of(obj) is NAMESPACE
        and obj["metadata"]["name"] in pinned
        and obj not in kept
        and obj not in protected
    ]
    gone = [obj for obj in objects if obj not in kept and obj not in protected]
    return gone, kept, protected


def protection_error(protected: Iterable[Object]) -> UserError:
    """The refusal, with the way out."""
    names = "\n".join(f"  {key_of(obj)}" for obj in protected)
    return UserError(
        f"These are protected and will not be deleted:\n{names}",
        "To delete them, set `protect=False` on them (filewallball:protect to false for a whole stack),"
        " run `fwb up`, and then this command again.",
    )


def waves(objects: list[Object]) -> list[list[Object]]:
    """The order of deletion: each wave may go at once, after all before it."""
    remaining = {key_of(obj): obj for obj in objects}
    result: list[list[Object]] = []
    while remaining:
        needed = {urn for obj in remaining.values() for urn in notes_of(obj).get("after", [])}
        free = [obj for obj in remaining.values() if urn_of(obj) not in needed]
        # dependencies in a circle can only come from a hand that edited the marks: then rank alone decides
        free = free or list(remaining.values())
        lowest = min(kind_of(obj).rank for obj in free)
        wave = [obj for obj in free if kind_of(obj).rank == lowest]
        result.append(wave)
        for obj in wave:
            del remaining[key_of(obj)]
    return result


class Remover:
    """Carries out deletions, each wave in parallel."""

    def __init__(self, session: Session, waiter: Waiter, reporter: Reporter, halt: threading.Event) -> None:
        self.steps: list[Step] = []
        self.failures: list[str] = []
        self._session = session
        self._waiter = waiter
        self._reporter = reporter
        self._halt = halt

    def delete(self, objects: list[Object]) -> None:
        """Delete and wait until all have gone; stops after a wave in which something failed."""
        for wave in waves(objects):
            if self.failures or self._halt.is_set():
                self.steps += [Step(as_resource(obj), "skipped", key_of(obj)) for obj in wave]
                continue
            with ThreadPoolExecutor(32) as pool:
                self.steps += pool.map(self._delete, wave)

    def keep(self, objects: list[Object], occupied: Occupied) -> None:
        """Leave objects in the cluster at the stack's end, and say so."""
        for obj in objects:
            note = "stays with its data; `fwb destroy --purge` deletes it"
            if kind_of(obj) is NAMESPACE and (others := occupied.get(obj["metadata"]["name"])):
                note = (
                    f"stays: {occupied_note(others)}. Move or delete them, and run `fwb destroy --purge` "
                    "again"
                )
            self._done(Step(as_resource(obj), "keep", key_of(obj), note=note))

    def let_go(self, objects: list[Object], occupied: Occupied, declared: set[Key]) -> list[Object]:
        """Leave objects in the cluster that a running stack no longer declares, and say so.

        In a namespace of the stack they wait aside, and are returned: declared again they are taken up, and
        `destroy --purge` takes them along, which would otherwise find a namespace full of what is nobody's.
        """
        waiting: list[Object] = []
        for obj in objects:
            if _home_stays(obj, declared):
                self._set_aside(obj)
                waiting.append(obj)
                note = "no longer declared; stays with its data until `fwb destroy --purge`"
            else:
                self._release(obj)
                note = "no longer part of the stack"
                if kind_of(obj) is NAMESPACE and (others := occupied.get(obj["metadata"]["name"])):
                    note = f"no longer part of the stack; {occupied_note(others)}"
            self._done(Step(as_resource(obj), "keep", key_of(obj), note=note))
        return waiting

    def _delete(self, obj: Object) -> Step:
        key, begin = key_of(obj), time.monotonic()
        step = Step(as_resource(obj), "delete", key)
        try:
            # asked again: minutes may have passed since the list that was confirmed
            if kind_of(obj) is NAMESPACE and (others := occupants(self._session, key.name)):
                raise UserError(occupied_note(others))  # noqa: TRY301 - told as any other failure
            self._session.kube.delete(
                obj["apiVersion"],
                obj["kind"],
                key.name,
                key.namespace or None,
                propagation="Foreground" if kind_of(obj).foreground else "Background",
                uid=obj["metadata"]["uid"],
            )
            self._reporter.working(f"{key}: waiting for it to be gone")
            self._waiter.wait_gone(obj, notes_of(obj).get("deleteTimeout") or DEFAULT_TIMEOUT)
        except Stopped as stopped:
            step.action, step.note = "skipped", str(stopped)
        except UserError as error:
            step.action, step.note = "failed", str(error)
            self.failures.append(f"{key}: {error}")
        step.seconds = time.monotonic() - begin
        self._reporter.step(step)
        return step

    def _release(self, obj: Object) -> None:
        self._mark(obj, {"labels": {LABEL: None}, "annotations": {URN: None, OPTIONS: None}})

    def _set_aside(self, obj: Object) -> None:
        notes = json.dumps({**notes_of(obj), "aside": True}, separators=(",", ":"))
        self._mark(obj, {"annotations": {OPTIONS: notes}})

    def _mark(self, obj: Object, metadata: Object) -> None:
        key = key_of(obj)
        where = (obj["apiVersion"], obj["kind"], key.name, key.namespace or None)
        self._session.kube.patch(*where, {"metadata": metadata})

    def _done(self, step: Step) -> None:
        self.steps.append(step)
        self._reporter.step(step)


def as_resource(obj: Object) -> Resource:
    """The resource that an object was made for, as far as the object remembers it."""
    urn = urn_of(obj) or f"{PREFIX}{key_of(obj)}"
    parts = urn.split("::")
    name = parts[3] if len(parts) > 3 else obj["metadata"]["name"]
    type_ = parts[2].rpartition("$")[2] if len(parts) > 3 else obj["kind"]
    return Resource(urn=urn, type=type_, name=name)


def _home_stays(obj: Object, declared: set[Key]) -> bool:
    """Whether the object lies in a namespace that the stack itself declares."""
    namespace = key_of(obj).namespace
    return any(key.group_kind == NAMESPACE.group_kind and key.name == namespace for key in declared)


def _is_controlled(obj: Object) -> bool:
    references: list[Object] = obj["metadata"].get("ownerReferences") or []
    return any(each.get("controller") for each in references)
