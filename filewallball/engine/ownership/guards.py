"""Looks before anything is deleted or made anew: what must not be lost, and whose it is."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.table import NAMESPACE, TABLE
from filewallball.engine.ownership.record import LABEL
from filewallball.engine.ownership.session import NotOurs, Session
from filewallball.engine.program.graph import Graph, Providers
from filewallball.engine.program.resources import UNKNOWN, Key, Resource, key_of
from filewallball.errors import UserError
from filewallball.kube import UnknownKind

Object = dict[str, Any]
Occupied = dict[str, list[str]]
"""Namespaces, and what is in them that isn't the stack's."""


def occupied(session: Session, objects: Iterable[Object]) -> Occupied:
    """The namespaces among these that hold data or applications of others."""
    names = [obj["metadata"]["name"] for obj in objects if kind_of(obj) is NAMESPACE]
    found = {name: occupants(session, name) for name in names}
    return {name: keys for name, keys in found.items() if keys}


def occupants(session: Session, namespace: str) -> list[str]:
    """Claims and applications in a namespace that lack the stack's label, and would go with it."""
    return [
        str(key_of(obj))
        for kind in TABLE
        if kind.occupies
        for obj in session.kube.list(kind.api_version, kind.name, namespace)
        if not _is_ours(session, obj) and not _is_over(obj)
    ]


def occupied_note(keys: list[str]) -> str:
    """Why the namespace stays, in one line."""
    return f"it holds objects that aren't part of the stack: {', '.join(keys)}"


def plan(session: Session, graph: Graph, providers: Providers) -> list[tuple[Resource, Key]]:
    """Let the session know every name that the program will use, as far as it is known before it runs."""
    named: list[tuple[Resource, Key]] = []
    for resource in graph.kubernetes:
        try:
            key = key_of(session.manifest(resource, providers.namespace(resource)))
        except UnknownKind:  # one that this very stack defines
            continue
        if not any(UNKNOWN in part for part in key):
            named.append((resource, key))
    session.planned = {key for _, key in named}
    return named


def refuse_moves(session: Session, graph: Graph, providers: Providers) -> None:
    """Raise UserError, before anything is touched, if data would be left behind."""
    for resource, key in plan(session, graph, providers):
        refuse_move(session, resource, key)


def refuse_move(session: Session, resource: Resource, key: Key) -> None:
    """Raise UserError if the resource stood for a claim elsewhere: its data would not come along."""
    old = session.earlier(resource)
    if old is None or not kind_of(old).data_stays or old["metadata"].get("deletionTimestamp"):
        return
    before = key_of(old)
    if before == key or before in session.planned or any(UNKNOWN in part for part in key):
        return
    raise UserError(
        f"A new and empty {key} would take the place of {before}: its data would not move there",
        "Change the name or namespace back. To move the data, deploy the new place as another stack, restore "
        "a backup there,\n  and then destroy this one. To begin with an empty one, run"
        f" `{before.kubectl('label')} {LABEL}-`\n  and then `fwb up`: the old one stays, with its data.",
    )


def refuse_others(session: Session, graph: Graph, providers: Providers, undone: str) -> None:
    """Raise NotOurs if objects of the program are there already and are another's: nothing was `undone`."""

    def look(resource: Resource) -> NotOurs | None:
        try:
            session.find(resource, session.manifest(resource, providers.namespace(resource)))
        except UnknownKind:
            return None
        except NotOurs as error:
            return error
        return None

    with ThreadPoolExecutor(8) as pool:
        errors = [error for error in pool.map(look, graph.kubernetes) if error]
    if not errors:
        return
    told = next((error for error in errors if error.by_pulumi), errors[0])
    more = f" (as {len(errors) - 1} more of its objects)" if len(errors) > 1 else ""
    raise NotOurs(f"Nothing was {undone}: {told.message}{more}", told.hint, by_pulumi=told.by_pulumi)


def _is_ours(session: Session, obj: Object) -> bool:
    """Of the stack, or made by something that is looked at itself."""
    labels: Object = obj["metadata"].get("labels") or {}
    return labels.get(LABEL) == session.stack_label or bool(obj["metadata"].get("ownerReferences"))


def _is_over(obj: Object) -> bool:
    """Whether it is going anyway, or has done its work."""
    return bool(obj["metadata"].get("deletionTimestamp") or kind_of(obj).ended(obj))
