"""Looking into plain data whose shape nobody has checked yet, with values that may not be known yet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

Path = tuple[str | int, ...]

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""Stands for a value that only a deployment gives, or that is encrypted: Pulumi's own marker for texts."""
_OTHER_UNKNOWNS = {
    "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "030794c1-ac77-496b-92df-f27374a8bd58",
    "e48ece36-62e2-4504-bad9-02848725956a",
    "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
}
_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def cleaned(value: Any) -> Any:
    """The value with one marker for what is unknown, without nulls in mappings, and 10.0 as 10."""
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return {str(key): cleaned(item) for key, item in fields.items() if item is not None}
    if isinstance(value, str):
        return UNKNOWN if value in _OTHER_UNKNOWNS else value
    if isinstance(value, Sequence):
        return [cleaned(item) for item in cast("Sequence[Any]", value)]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def is_unknown(value: Any) -> bool:
    return isinstance(value, str) and value == UNKNOWN


def at(value: Any, *path: str | int) -> Any:
    """What stands at the path; None where nothing does, UNKNOWN below what is unknown."""
    for step in path:
        if is_unknown(value):
            return UNKNOWN
        if isinstance(value, dict):
            value = cast("dict[str | int, Any]", value).get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
            value = cast("list[Any]", value)[step]
        else:
            return None
    return value


def mapping(value: Any, *path: str | int) -> dict[str, Any]:
    """The mapping at the path; an empty one where there is none."""
    found = at(value, *path)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def listed(value: Any, *path: str | int) -> list[Any]:
    """The list at the path; an empty one where there is none."""
    found = at(value, *path)
    return cast("list[Any]", found) if isinstance(found, list) else []


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, anything else as the only item: as AWS policies have it."""
    if value is None:
        return []
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def text(value: Any) -> str:
    """A text as it is; empty for anything else, the unknown included."""
    return value if isinstance(value, str) and not is_unknown(value) else ""


def texts(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a structure, with its path; UNKNOWN where it isn't known."""
    if isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            yield from texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Any]", value)):
            yield from texts(item, (*path, index))
    elif isinstance(value, str):
        yield path, value


def placed(value: Any, changes: Mapping[Path, Any]) -> Any:
    """A copy with other values at these paths, mappings made where there are none on the way."""
    for path, new in changes.items():
        value = _placed(value, path, new)
    return value


def _placed(value: Any, path: Path, new: Any) -> Any:
    if not path:
        return new
    fields = cast("dict[str | int, Any]", value if isinstance(value, dict) else {})
    return {**fields, path[0]: _placed(fields.get(path[0]), path[1:], new)}


def dotted(path: Path) -> str:
    """The path in Pulumi's notation: `spec.containers[0].env`, and quoted where a key has dots."""
    shown = ""
    for step in path:
        if isinstance(step, int):
            shown += f"[{step}]"
        elif _PLAIN_STEP.fullmatch(step):
            shown += f".{step}" if shown else step
        else:
            shown += f'["{step}"]'
    return shown
