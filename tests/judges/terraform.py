"""The AWS resources of a stack as Terraform's JSON, for judges that know nothing of Pulumi.

Pulumi's AWS provider is made from Terraform's, so names follow from names: `aws:s3/bucketPolicy:BucketPolicy`
is `aws_s3_bucket_policy`, `kmsMasterKeyId` is `kms_master_key_id`, and a mapping is a block. Blocks that may
be repeated have a plural name in Pulumi alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAPS = {"tags"}
"""Properties that are mappings in Terraform too."""
REPEATED = {"rules": "rule"}
_REFERENCES = {"bucket": ("aws_s3_bucket", "bucket", "id"), "role": ("aws_iam_role", "name", "name")}
"""A property that names another resource: its type, the property it is named by, and what is asked of it."""


def translated(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A whole configuration. `resources`: each with its Pulumi `type`, `name` and `props`, and `protect`."""
    resources = list(resources)
    made: dict[str, Any] = {"provider": {"aws": {}}, "resource": {}}
    named = {
        (resource_type(each["type"]), each["props"].get(by)): f"${{{kind}.{each['name']}.{asked}}}"
        for each in resources
        for kind, by, asked in _REFERENCES.values()
        if resource_type(each["type"]) == kind
    }
    for each in resources:
        if each["type"] == "pulumi:providers:aws":
            made["provider"]["aws"] = _provider(each["props"])
            continue
        kind = resource_type(each["type"])
        body = block(each["props"])
        for key, (target, _, _) in _REFERENCES.items():
            if kind != target and (target, body.get(key)) in named:
                body[key] = named[target, body[key]]
        if each["protect"]:
            body["lifecycle"] = {"prevent_destroy": True}
        made["resource"].setdefault(kind, {})[each["name"]] = body
    return made


def resource_type(token: str) -> str:
    """Terraform's name for a type of Pulumi."""
    package, module, kind = token.split(":")
    return f"{package}_{module.partition('/')[0]}_{snake(kind)}"


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def block(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties under Terraform's names."""
    return {
        REPEATED.get(key, snake(key)): text(value) if key in MAPS else _value(value)
        for key, value in properties.items()
    }


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return block(value)
    if isinstance(value, list):
        return [_value(each) for each in value]
    return text(value)


def text(value: Any) -> Any:
    """Of a text, what Terraform doesn't take for a template: `${` stands for itself in policies."""
    if isinstance(value, dict):
        return {key: text(each) for key, each in value.items()}
    return re.sub(r"([$%])\{", r"\1\1{", value) if isinstance(value, str) else value


def _provider(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A provider's lists reach Pulumi as texts."""
    found = {key: properties[key] for key in ("region", "profile") if key in properties}
    return {**found, "allowed_account_ids": json.loads(properties["allowedAccountIds"])}
