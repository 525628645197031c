"""Compares objects property by property, and carries ignored properties over from the cluster."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any, cast

from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.table import SECRET
from filewallball.engine.program.resources import Path
from filewallball.redact import MASK

PREFIX = "fwb.filewallball.io/"
SERVERS_OWN = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


@dataclass(frozen=True)
class Change:
    """One property that differs. `before` or `after` is None where the property is absent there."""

    path: Path
    before: Any
    after: Any

    @property
    def label(self) -> str:
        """The path as one text: `spec.containers[redis].image`."""
        text = ""
        for step in self.path:
            if isinstance(step, int) or step.startswith("["):
                text += f"[{step}]" if isinstance(step, int) else step
            else:
                plain = re.fullmatch(r"[\w-]+", step)
                text += f".{step}" if plain else f'["{step}"]'
        return text.removeprefix(".")


def normalised(manifest: dict[str, Any]) -> dict[str, Any]:
    """What users wrote or may care about: without status, the server's bookkeeping and the engine's own."""
    body = {key: value for key, value in manifest.items() if key != "status"}
    meta = {key: value for key, value in body.get("metadata", {}).items() if key not in SERVERS_OWN}
    for part in ("labels", "annotations"):
        given: dict[str, Any] = meta.get(part) or {}
        kept = {key: value for key, value in given.items() if not key.startswith(PREFIX)}
        meta.pop(part, None)
        if kept:
            meta[part] = kept
    body["metadata"] = meta
    return body


def secret_paths(manifest: dict[str, Any]) -> list[Path]:
    """Where an object of its kind has secrets, marked or not."""
    return [(name,) for name in kind_of(manifest).secret_fields]


def changes(before: dict[str, Any], after: dict[str, Any], marked: list[Path] | None = None) -> list[Change]:
    """What differs between two objects of one kind, secret values masked."""
    found: list[Change] = []
    _compare(normalised(before), normalised(after), (), found)
    hidden = [*(marked or []), *secret_paths(after)]
    return [_masked(change, hidden) for change in found]


def compared(before: dict[str, Any], after: dict[str, Any], hidden: list[Path]) -> list[Change]:
    """What differs between two mappings of any sort, masked at and below the `hidden` paths."""
    found: list[Change] = []
    _compare(before, after, (), found)
    return [_masked(change, hidden) for change in found]


def declared_changes(live: dict[str, Any], manifest: dict[str, Any], marked: list[Path]) -> list[Change]:
    """What a replacement would bring: only properties that the program declares can be told beforehand."""
    return [change for change in changes(live, manifest, marked) if change.after is not None]


def _compare(before: Any, after: Any, path: Path, found: list[Change]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        _compare_mappings(cast("dict[str, Any]", before), cast("dict[str, Any]", after), path, found)
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _keyed(cast("list[Any]", before)), _keyed(cast("list[Any]", after))
        if old is not None and new is not None:
            _compare_mappings(old, new, path, found)
            return
        old_items, new_items = cast("list[Any]", before), cast("list[Any]", after)
        _compare_mappings(dict(enumerate(old_items)), dict(enumerate(new_items)), path, found)
        return
    if before != after:
        found.append(Change(path, before, after))


def _compare_mappings(before: dict[Any, Any], after: dict[Any, Any], path: Path, found: list[Change]) -> None:
    for key in [*before, *(key for key in after if key not in before)]:
        _compare(before.get(key), after.get(key), (*path, key), found)


def _keyed(items: list[Any]) -> dict[str, Any] | None:
    """A list of named things by name, so that an insertion doesn't look like a change of all that follow."""
    keyed: dict[str, Any] = {}
    for item in items:
        name = cast("dict[str, Any]", item).get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or f"[{name}]" in keyed:
            return None
        keyed[f"[{name}]"] = item
    return keyed


def _masked(change: Change, hidden: list[Path]) -> Change:
    under = any(change.path[: len(path)] == path for path in hidden)
    above = any(path[: len(change.path)] == change.path for path in hidden)
    if not under and not above:
        return change
    return Change(change.path, change.before and MASK, change.after and MASK)


# ---- ignoreChanges and replaceOnChanges ----


def parse(path: str) -> Path:
    """A property path in Pulumi's notation: `spec.containers[0]["a.b"].image`, `*` for every key."""
    steps: list[str | int] = []
    for quoted, index, plain in re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|([^.\[\]]+)', path):
        if index.isdigit():
            steps.append(int(index))
        else:
            steps.append(quoted or index or plain)
    if steps and steps[0] == SECRET.secret_text:
        steps[0] = SECRET.secret
    return tuple(steps)


def keep_ignored(manifest: dict[str, Any], live: dict[str, Any], paths: tuple[str, ...]) -> dict[str, Any]:
    """The manifest with the live value at every ignored path.

    The value must be sent back, not left out: a field that an apply no longer names is removed.
    """
    kept = copy.deepcopy(manifest)
    for path in paths:
        _carry_over(kept, live, parse(path))
    return kept


def _carry_over(target: Any, live: Any, path: Path) -> None:
    if not path:
        return
    step, rest = path[0], path[1:]
    if step == "*":
        for each in _steps(target) | _steps(live):
            _carry_over(target, live, (each, *rest))
        return
    if rest:
        inner = _at(target, step)
        found = _at(live, step)
        if inner is None and found is not None and isinstance(target, dict):
            inner = cast("dict[Any, Any]", target)[step] = {}
        _carry_over(inner, found, rest)
        return
    value = copy.deepcopy(_at(live, step))
    if isinstance(target, dict):
        fields = cast("dict[Any, Any]", target)
        if value is None:
            fields.pop(step, None)
        else:
            fields[step] = value
    elif isinstance(target, list) and isinstance(step, int) and value is not None:
        items = cast("list[Any]", target)
        if step < len(items):
            items[step] = value


def _steps(value: Any) -> set[str | int]:
    if isinstance(value, dict):
        return set(cast("dict[str | int, Any]", value))
    return set(range(len(cast("list[Any]", value)))) if isinstance(value, list) else set()


def _at(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return cast("dict[str | int, Any]", value).get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
        return cast("list[Any]", value)[step]
    return None


def touches(found: list[Change], paths: tuple[str, ...]) -> bool:
    """Whether any change lies at or below one of the paths (list items by name count as any index)."""

    def same(step: str | int, given: str | int) -> bool:
        named = isinstance(step, str) and step.startswith("[") and isinstance(given, int)
        return given == "*" or step == given or named

    for path in map(parse, paths):
        for change in found:
            if all(same(*pair) for pair in zip(change.path, path, strict=False)):
                return True
    return False
