"""How strict rules are, and what they are told: JSON, as the Pulumi CLI's --policy-pack-config has it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from policy.plain import dotted
from policy.rule import LEVELS, Level, Option, Rule
from policy.rules import BY_NAME

_LEVEL = "enforcementLevel"
_ALL = "all"


@dataclass(frozen=True)
class Configuration:
    """What is configured: levels and settings by rule, those of `all` for the rest."""

    levels: Mapping[str, Level] = field(default_factory=dict[str, Level])
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def level(self, rule: Rule) -> Level:
        """How strict a rule is."""
        return self.levels.get(rule.name) or self.levels.get(_ALL) or rule.level

    def given(self, rule: Rule) -> Mapping[str, Any]:
        """The settings that are configured for a rule."""
        return self.options.get(rule.name, {})


def read(document: Any) -> Configuration:
    """A configuration from the JSON's data, which must have no `faults`."""
    levels: dict[str, Level] = {}
    options: dict[str, dict[str, Any]] = {}
    for name, value in cast("dict[str, Any]", document).items():
        settings = cast("dict[str, Any]", value) if isinstance(value, dict) else {_LEVEL: value}
        if _LEVEL in settings:
            levels[name] = settings[_LEVEL]
        options[name] = {key: each for key, each in settings.items() if key != _LEVEL}
    return Configuration(levels, options)


def faults(document: Any) -> list[str]:
    """What is wrong with a configuration: each with its path, what was given, and what to write."""
    if not isinstance(document, dict):
        return ['The whole file must be a mapping of rules, such as {"image-digest": "mandatory"}.']
    return [
        each for name, value in cast("dict[str, Any]", document).items() for each in _of_rule(name, value)
    ]


def _of_rule(name: str, value: Any) -> Iterator[str]:
    rule = BY_NAME.get(name)
    if rule is None and name != _ALL:
        yield f"{name}: there is no such rule. {_near(name, BY_NAME)}Docs/policies.md lists them all."
        return
    if not isinstance(value, dict):
        if value not in LEVELS:
            yield _no_level(name, value)
        return
    known = {option.name: option for option in rule.options} if rule else {}
    for key, given in cast("dict[str, Any]", value).items():
        path = dotted((name, key))
        if key == _LEVEL:
            if given not in LEVELS:
                yield _no_level(path, given)
        elif key not in known:
            yield f"{path}: the rule has no such setting. {_near(key, [_LEVEL, *known])}" + (
                f"It has {', '.join([_LEVEL, *known])}."
            )
        else:
            yield from _of_option(path, known[key], given)


def _of_option(path: str, option: Option, given: Any) -> Iterator[str]:
    items = cast("list[Any]", given) if isinstance(given, list) else None
    if items is None or not all(isinstance(each, str) for each in items):
        yield f"{path}: {given!r} is no list of texts. Write {option.default!r}, or names of your own."


def _no_level(path: str, given: Any) -> str:
    return f"{path}: {given!r} is no enforcement level. Write one of {', '.join(LEVELS)}."


def _near(name: str, known: Any) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"Did you mean {near[0]}? " if near else ""
