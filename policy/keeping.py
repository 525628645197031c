"""What an object is called and how it is kept: labels, names of its own, and protection in production."""

from __future__ import annotations

from collections.abc import Iterable

from facts.policy import UNPROTECTED
from policy.plain import Path, is_unknown, text
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule

_LABEL = "app.kubernetes.io/"
_AWS = {
    "aws:s3/bucket:Bucket",
    "aws:s3/bucketV2:BucketV2",
    "aws:kms/key:Key",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:ebs/volume:Volume",
    "aws:efs/fileSystem:FileSystem",
    "aws:dynamodb/table:Table",
}


# what makes a name one of its kind in an account, or in the world
_AWS_NAMES: dict[str, tuple[str, ...]] = {
    "aws:s3/bucket:Bucket": ("bucket",),
    "aws:iam/role:Role": ("name",),
    "aws:iam/policy:Policy": ("name",),
    "aws:iam/user:User": ("name",),
    "aws:iam/rolePolicy:RolePolicy": ("role", "name"),
    "aws:kms/alias:Alias": ("name",),
}


def _wanted(resource: Resource) -> dict[str, str]:
    """The recommended labels, as far as they follow from the resource itself."""
    wanted = {
        f"{_LABEL}name": resource.object_name or resource.name,
        f"{_LABEL}instance": resource.project,
        f"{_LABEL}part-of": resource.project,
        f"{_LABEL}managed-by": "pulumi",
    }
    return {key: value[:63].strip("-_.") for key, value in wanted.items() if value}


def _missing(resource: Resource) -> dict[str, str]:
    if not resource.is_object or is_unknown(resource.props.get("metadata")):
        return {}
    if is_unknown(resource.meta.get("labels")):
        return {}
    return {key: value for key, value in _wanted(resource).items() if not resource.labels.get(key)}


def _labels(resource: Resource, _: Context) -> Iterable[Finding]:
    for key, value in _missing(resource).items():
        yield Finding(("metadata", "labels", key), "is not set", f"Write it, such as {value}.")


def _labelled(resource: Resource, _: Context) -> dict[Path, str]:
    return {("metadata", "labels", key): value for key, value in _missing(resource).items()}


def _protect(stack: Stack, _: Context) -> Iterable[Finding]:
    claimed = {each.namespace for each in stack if each.is_a("PersistentVolumeClaim")}
    for each in stack:
        holds = (
            each.is_a("PersistentVolumeClaim", "PersistentVolume")
            or each.type in _AWS
            or (each.is_a("Namespace") and each.object_name in claimed)
        )
        if not holds or each.protect or len(text(each.annotations.get(UNPROTECTED)).split()) > 1:
            continue
        excuse = f", or say in the annotation {UNPROTECTED} why it can't be" if each.is_object else ""
        yield Finding(
            ("protect",),
            "is false, and it holds data",
            f"Declare the resource with the option protect{excuse}.",
            each,
        )


def _force_destroy(resource: Resource, _: Context) -> Iterable[Finding]:
    if resource.type in _AWS and resource.props.get("forceDestroy") is True:
        yield Finding(("forceDestroy",), "is true: the bucket goes with all that it holds", "Write false.")


def _collisions(stack: Stack, _: Context) -> Iterable[Finding]:
    seen: dict[tuple[str, ...], Resource] = {}
    for each in stack:
        path: Path = ("metadata", "name")
        key = (each.group, each.kind, each.namespace, each.object_name)
        if not each.is_object:
            type_ = each.type.replace("V2", "")
            names = _AWS_NAMES.get(type_, ())
            path = names[-1:]
            key = (type_, *(text(each.props.get(name)) for name in names))
        if not path or not key[-1]:
            continue
        first = seen.setdefault(key, each)
        if first is not each:
            yield Finding(
                path, f"is {key[-1]}, as for {first.urn}", "Give one of the two another name.", each
            )


RULES = (
    Rule(
        "labels",
        "Labels",
        "Labels show what an object belongs to. The Pulumi CLI adds missing ones.",
        _labels,
        level="remediate",
        remedy=_labelled,
    ),
    Rule(
        "protected",
        "Protection",
        "In production, a mistake must not delete data.",
        check_stack=_protect,
        production=True,
    ),
    Rule(
        "bucket-force-destroy",
        "Protection",
        "A bucket that holds data must never be deleted.",
        _force_destroy,
        production=True,
    ),
    Rule(
        "names-collide",
        "Names",
        "Two resources with the same name overwrite each other.",
        check_stack=_collisions,
    ),
)
