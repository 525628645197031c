"""Compares what the embedded engine renders with what the CLI has in its state after an `up`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from facts.units import quantity_bytes

Resource = dict[str, Any]
STACK = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:"
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "[secret]"


class Difference(NamedTuple):
    """`path` is below the resource of this URN; None: it isn't there."""

    urn: str
    path: tuple[str, ...]
    embedded: Any
    cli: Any


def _is_root(found: Difference) -> bool:
    return f"::{STACK}::" in found.urn and found.embedded is None


def _is_plugin(found: Difference) -> bool:
    names = (("inputs", "version"), ("inputs", "__internal"))
    return PROVIDER in found.urn and found.path in names and found.embedded is None


def _is_empty(found: Difference) -> bool:
    return found.cli is None and found.embedded in ("", [], {})


def _is_quantity(found: Difference) -> bool:
    written = (found.embedded, found.cli)
    sizes = {quantity_bytes(each) if isinstance(each, str) else None for each in written}
    return len(sizes) == 1 and None not in sizes


EXPLAINED: dict[str, Callable[[Difference], bool]] = {
    "The CLI has a resource for the stack itself. The embedded engine keeps a record in its place.": _is_root,
    "The CLI is told which plugin to start. The embedded engine is its own provider.": _is_plugin,
    "The provider leaves out what is empty. The API server reads it as the same.": _is_empty,
    "The provider writes some quantities in another way, such as 2Gi for 2048Mi.": _is_quantity,
}
"""The differences that are meant: why, and how they are known. Docs/architecture.md lists them."""


def differences(rendered: list[Resource], state: list[Resource]) -> tuple[list[Difference], set[str]]:
    """What nothing here explains, and the explanations that the rest needed."""
    ours = {each["urn"]: _rendered(each) for each in rendered}
    theirs = {each["urn"]: _in_state(each) for each in state}
    left: list[Difference] = []
    needed: set[str] = set()
    for urn in sorted(ours.keys() | theirs.keys()):
        for found in _compared(urn, ours.get(urn), theirs.get(urn), ()):
            reasons = [why for why, holds in EXPLAINED.items() if holds(found)]
            needed.update(reasons)
            left += [] if reasons else [found]
    return left, needed


def _rendered(given: Resource) -> Resource:
    options = given["options"]
    return {
        "type": given["type"],
        "parent": _unless_root(given["parent"]),
        "inputs": given["props"],
        "after": sorted(options["dependencies"]),
        "protect": options["protect"],
        "retain": options["retain"],
        "ignoreChanges": options["ignore_changes"],
        "replaceOnChanges": options["replace_on_changes"],
        "timeouts": options["timeouts"],
    }


def _in_state(given: Resource) -> Resource:
    timeouts: dict[str, float] = given.get("customTimeouts") or {}
    return {
        "type": given["type"],
        "parent": _unless_root(given.get("parent", "")),
        "inputs": given.get("inputs") or {},
        "after": sorted(given.get("dependencies") or []),
        "protect": given.get("protect", False),
        "retain": given.get("retainOnDelete", False),
        "ignoreChanges": given.get("ignoreChanges") or [],
        "replaceOnChanges": given.get("replaceOnChanges") or [],
        "timeouts": {name: float(value) for name, value in timeouts.items() if value},
    }


def _unless_root(parent: str) -> str:
    return "" if f"::{STACK}::" in parent else parent


def _compared(urn: str, one: Any, other: Any, path: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(other, dict) and SIGNATURE in other:
        # Encrypted as a whole in a state, and masked value by value when rendered.
        if set(_leaves(one)) != {SECRET}:
            yield Difference(urn, path, one, SECRET)
    elif isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _compared(urn, one.get(key), other.get(key), (*path, key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from _compared(urn, *pair, (*path, str(index)))
    elif one != other:
        yield Difference(urn, path, one, other)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    else:
        yield value
