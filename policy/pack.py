"""The rules as pulumi-policy has them: how the Pulumi CLI runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Secret,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy.plain import placed
from policy.resources import Resource
from policy.rule import Context, Rule


def policy_of(rule: Rule) -> Policy:
    """The rule as a policy of pulumi-policy."""
    schema = PolicyConfigSchema(
        {option.name: {**option.schema, "description": option.description} for option in rule.options}
    )

    def on_resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        resource = _resource(args)
        for finding in rule.on_resource(resource, _context(rule, resource, args.get_config())):
            report(finding.text(resource), None)

    def on_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = [_resource(each) for each in args.resources]
        if not stack:
            return
        for finding in rule.on_stack(stack, _context(rule, stack[0], args.get_config())):
            if finding.resource:
                report(finding.text(finding.resource), finding.resource.urn)

    def remedy(args: ResourceValidationArgs) -> Any:
        if rule.remedy is None:
            return None
        resource = _resource(args)
        changes = rule.remedy(resource, _context(rule, resource, args.get_config()))
        # what is marked as secret must go back so
        return placed(_bare(args.props, marked=True), changes) if changes else None

    level = EnforcementLevel(rule.level)
    if rule.check_stack is not None:
        return StackValidationPolicy(rule.name, rule.reason, on_stack, level, schema)
    return ResourceValidationPolicy(
        rule.name, rule.reason, on_resource, level, schema, remedy if rule.remedy else None
    )


def _context(rule: Rule, resource: Resource, given: Mapping[str, Any]) -> Context:
    # the stack's own configuration: policy/hearing.py
    protected = pulumi.Config(resource.project).get_bool("protect")
    return rule.context(resource.stack, given, protected=bool(protected))


def _resource(args: ResourceValidationArgs | PolicyResource) -> Resource:
    needs: dict[str, list[str]] = {}
    if isinstance(args, PolicyResource):
        needs = {name: [each.urn for each in others] for name, others in args.property_dependencies.items()}
        needs[""] = [each.urn for each in args.dependencies]
    return Resource.of(
        {
            "urn": args.urn,
            "type": args.resource_type,
            "name": args.name,
            "props": _bare(args.props),
            "protect": args.opts.protect,
            "needs": needs,
        }
    )


def _bare(value: Any, *, marked: bool = False) -> Any:
    """The data itself: pulumi-policy's wrapping raises at every value that isn't known yet.

    `marked`: secrets stay wrapped as such.
    """
    if isinstance(value, Secret):
        inner: Any = _bare(cast("Any", value).value, marked=marked)
        return Secret(inner) if marked else inner
    if isinstance(value, str) or not isinstance(value, Mapping | Sequence):
        return value
    wrapped = cast("Any", value)
    inner = wrapped if isinstance(value, dict | list) else wrapped["__target"]
    if isinstance(inner, Mapping):
        fields = cast("Mapping[str, Any]", inner)
        return {key: _bare(each, marked=marked) for key, each in fields.items()}
    return [_bare(each, marked=marked) for each in cast("Sequence[Any]", inner)]
