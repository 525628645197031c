"""Changes as lines that people read: `-` as it was, `+` as it would be, `!` what can't be shown."""

from __future__ import annotations

import difflib
import json
from typing import Any

import yaml

from filewallball.engine.program.resources import UNKNOWN
from filewallball.engine.showing.diff import Change

SIGNS = {"delete": "-", "replace": "±", "update": "~", "create": "+"}
LONGEST = 100
"""Characters of a value that stands behind its name; a longer one stands below it."""
CONTEXT = 2
"""Unchanged lines around each change of a text of several lines."""


def lines(change: Change) -> list[str]:
    """A change as lines of a diff, each with its sign."""
    before, after = change.before, change.after
    if before is None:
        return _value("+", change.label, after)
    if after is None:
        return _value("-", change.label, before)
    if before == after:
        return [f"! {change.label}: {_short(after)} (the secret in it changes)"]
    before, after = _spread(before, after)
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        return [f"  {change.label}:", *_text(before, after)]
    return _value("-", change.label, before) + _value("+", change.label, after)


def whole(sign: str, properties: dict[str, Any]) -> list[str]:
    """All properties of a resource that is new, or goes, as YAML."""
    return [f"{sign} {line}".rstrip() for line in _yaml(_readable(properties))]


def _spread(before: Any, after: Any) -> tuple[Any, Any]:
    """Two long JSON texts with a line for each field, so that those that differ can be told."""
    texts = [each for each in (before, after) if isinstance(each, str)]
    if (
        len(texts) < 2
        or max(map(len, texts)) <= LONGEST
        or any(each.lstrip()[:1] not in "{[" for each in texts)
    ):
        return before, after
    try:
        old, new = (json.dumps(json.loads(each), indent=2, ensure_ascii=False) for each in texts)
    except (ValueError, RecursionError):
        return before, after
    return (old, new) if old != new else (before, after)


def _text(before: str, after: str) -> list[str]:
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT)
    told: list[str] = []
    for number, line in enumerate(found):
        if number > 2:  # after the names of the two files, and the place of the first change
            told.append("    …" if line.startswith("@@") else f"{line[0]}   {line[1:]}".rstrip())
    return told or ["!   only the end of its last line differs"]


def _value(sign: str, label: str, value: Any) -> list[str]:
    text = _short(value)
    if len(text) <= LONGEST and "\n" not in text:
        return [f"{sign} {label}: {text}"]
    if isinstance(value, str):
        return [f"{sign} {label}:", *(f"{sign}   {line}".rstrip() for line in value.splitlines())]
    return [f"{sign} {label}:", *(f"{sign}   {line}" for line in _yaml(_readable(value)))]


def _short(value: Any) -> str:
    value = _readable(value)
    if isinstance(value, str):
        plain = value and value == value.strip() and value.isprintable()
        return value if plain or "\n" in value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _readable(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(text.replace(UNKNOWN, "(known after up)")) if UNKNOWN in text else value


class _Dumper(yaml.SafeDumper):
    """Writes a text of several lines as it is, below its name."""


def _as_it_is(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    styled: Any = dumper
    return styled.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _as_it_is)


def _yaml(value: Any) -> list[str]:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=True, allow_unicode=True, width=10**6)
    return text.splitlines()
