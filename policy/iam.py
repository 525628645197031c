"""IAM: a role may do exactly what is named, to what is named, and only who is named may take it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from policy.aws_policies import everyone, statements, values
from policy.plain import Path, as_list, listed, mapping, text
from policy.resources import Resource
from policy.rule import Context, Finding, Rule

_ROLE: Final = "aws:iam/role:Role"
_HOLDERS = {
    "aws:iam/policy:Policy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/userPolicy:UserPolicy",
    "aws:iam/groupPolicy:GroupPolicy",
}
_ATTACHMENTS = {
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
}
_BROAD = ("FullAccess", "AdministratorAccess", "PowerUserAccess")


def _allowing(resource: Resource) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every statement that gives rights."""
    documents: list[tuple[Path, Any]] = []
    if resource.type in _HOLDERS:
        documents.append((("policy",), resource.props.get("policy")))
    if resource.type == _ROLE:
        for index, each in enumerate(listed(resource.props, "inlinePolicies")):
            documents.append((("inlinePolicies", index, "policy"), mapping(each).get("policy")))
    for path, document in documents:
        for place, statement in statements(document):
            if statement.get("Effect") == "Allow":
                yield (*path, *place), statement


def _actions(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, statement in _allowing(resource):
        if "NotAction" in statement:
            yield Finding((*path, "NotAction"), "allows all but a few", "Name in Action what is needed.")
        for action in values(statement, "Action"):
            if "*" in action or "?" in action:
                yield Finding((*path, "Action"), f"holds {action}", "Name each action that is needed.")


def _resources(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, statement in _allowing(resource):
        if "NotResource" in statement:
            yield Finding((*path, "NotResource"), "allows all but a few", "Name in Resource what is needed.")
        for arn in values(statement, "Resource"):
            if _too_wide(arn):
                yield Finding((*path, "Resource"), f"holds {arn}", "Write the ARN of what is needed.")


def _too_wide(arn: str) -> bool:
    """Whether an ARN has a wildcard; at the end of a named bucket's prefix it must, as keys vary."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return "*" in arn
    bucket, _, key = parts[5].partition("/")
    below = parts[2] == "s3" and key.endswith("*") and "*" not in key[:-1]
    fixed = [*parts[:5], bucket if below else parts[5]]
    return any("*" in part or "?" in part for part in fixed)


def _managed(resource: Resource, _: Context) -> Iterable[Finding]:
    given: list[tuple[Path, str]] = []
    if prop := _ATTACHMENTS.get(resource.type):
        given.append(((prop,), text(resource.props.get(prop))))
    if resource.type == _ROLE:
        arns = listed(resource.props, "managedPolicyArns")
        given += [(("managedPolicyArns", index), text(arn)) for index, arn in enumerate(arns)]
    for path, arn in given:
        if arn.endswith(_BROAD):
            yield Finding(path, f"is {arn}", "Write a policy of its own, with the actions that are needed.")


def _trust(resource: Resource, _: Context) -> Iterable[Finding]:
    if resource.type != _ROLE:
        return
    for place, statement in statements(resource.props.get("assumeRolePolicy")):
        path = ("assumeRolePolicy", *place)
        if statement.get("Effect") != "Allow":
            continue
        if everyone(statement):
            yield Finding((*path, "Principal"), "is everyone", "Name who may take the role.")
        if as_list(mapping(statement, "Principal").get("Federated")) and not _names_subject(statement):
            yield Finding(
                (*path, "Condition"),
                "doesn't name the account that may take the role",
                "Write StringEquals with the issuer's :sub and the ServiceAccount,"
                " system:serviceaccount:<namespace>:<name>.",
            )


def _names_subject(statement: dict[str, Any]) -> bool:
    """Whether a statement for tokens from elsewhere holds for named subjects alone."""
    exactly = mapping(statement, "Condition", "StringEquals")
    subjects = [
        text(each) for key, value in exactly.items() if key.endswith(":sub") for each in as_list(value)
    ]
    return bool(subjects) and not any("*" in each for each in subjects)


_FAMILY = "IAM"
RULES = (
    Rule("iam-actions", _FAMILY, "A wildcard also allows actions that the program doesn't use.", _actions),
    Rule("iam-resources", _FAMILY, "A role must reach only its own bucket and prefix.", _resources),
    Rule(
        "iam-managed-policies",
        _FAMILY,
        "The broad policies of AWS allow far more than a job needs.",
        _managed,
    ),
    Rule("iam-trust", _FAMILY, "Only the named account may use the role.", _trust),
)
