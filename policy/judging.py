"""The rules run over a whole stack at once, in this process: what `fwb policy` calls.

Data in and data out, so that who calls needs none of the pack's types. The Pulumi CLI runs the same rules one
by one, through __main__.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from policy import configuration
from policy.configuration import Configuration
from policy.plain import dotted, is_unknown, placed, texts
from policy.resources import Resource
from policy.rule import Finding, Level, Rule
from policy.rules import RULES


def faults(document: Any) -> list[str]:
    """What is wrong with a configuration."""
    return configuration.faults(document)


def judge(
    resources: Iterable[Mapping[str, Any]], configured: Any = None, *, protected: bool = False
) -> dict[str, Any]:
    """What the rules find in a stack.

    `resources`: of each its urn, type, name, props, protect, needs and secrets (see Resource). One that is
    deployed may have `outputs` as well: rules about the whole stack look at these, as under the Pulumi CLI.
    `configured`: a configuration without faults. `protected`: whether the stack sets `protect`.

    Returned: `rules`, how many were asked; `violations`, each with rule, family, reason, level, urn,
    resource, path and message; `remedied`, what was set right first; `unknown`, what can't be known yet.
    """
    settings = configuration.read(configured or {})
    given = list(resources)
    stack = [Resource.of(each) for each in given]
    deployed = [Resource.of({**each, "props": each.get("outputs") or each["props"]}) for each in given]
    remedied: list[dict[str, Any]] = []
    for index, resource in enumerate(stack):
        stack[index], done = _remedied(resource, settings, protected=protected)
        remedied += done
    violations: list[dict[str, Any]] = []
    asked = [rule for rule in RULES if settings.level(rule) != "disabled"]
    for rule in asked:
        level = settings.level(rule)
        context = rule.context(stack[0].stack if stack else "", settings.given(rule), protected=protected)
        for resource in stack:
            violations += [
                _violation(rule, level, each, resource) for each in rule.on_resource(resource, context)
            ]
        violations += [
            _violation(rule, level, each, each.resource)
            for each in rule.on_stack(deployed, context)
            if each.resource
        ]
    return {
        "rules": len(asked),
        "violations": violations,
        "remedied": remedied,
        "unknown": list(_unknown(stack)),
    }


def _remedied(
    resource: Resource, settings: Configuration, *, protected: bool
) -> tuple[Resource, list[dict[str, Any]]]:
    done: list[dict[str, Any]] = []
    for rule in RULES:
        if rule.remedy is None or settings.level(rule) != "remediate":
            continue
        context = rule.context(resource.stack, settings.given(rule), protected=protected)
        changes = rule.remedy(resource, context)
        if changes:
            found = rule.on_resource(resource, context)
            done += [_violation(rule, "remediate", each, resource) for each in found]
            resource = replace(resource, props=placed(resource.props, changes))
    return resource, done


def _violation(rule: Rule, level: Level, finding: Finding, resource: Resource) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "family": rule.family,
        "reason": rule.reason,
        # what was not set right is an error, as under the CLI
        "level": "mandatory" if level == "remediate" else level,
        "urn": resource.urn,
        "resource": resource.title,
        "path": dotted(finding.path),
        "message": finding.text(resource),
    }


def _unknown(stack: Sequence[Resource]) -> Iterable[dict[str, str]]:
    for each in stack:
        for path, value in texts(each.props):
            if is_unknown(value):
                yield {"urn": each.urn, "resource": each.title, "path": dotted(path)}
