"""Pairs the resources of two trees, and says of each what would become of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from filewallball.engine.kinds import immutable
from filewallball.engine.kinds import of as known_kind
from filewallball.engine.program.resources import PROVIDER_TYPE, Path, Resource, key_of
from filewallball.engine.showing.diff import Change, compared, keep_ignored, secret_paths, touches
from filewallball.preview.rendered import Rendered

Op = Literal["delete", "replace", "update", "create", "same"]
OPTIONS = "(options)"
"""The first step of the path of what is no property, but an option of the resource."""
HASHED = re.compile(r"-[0-9a-f]{8,64}$")
MADE_ANEW: dict[str, tuple[str, ...]] = {
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": ("url",),
    "aws:iam/policy:Policy": ("name", "namePrefix", "path", "description"),
    "aws:iam/role:Role": ("name", "namePrefix", "path"),
    "aws:iam/rolePolicy:RolePolicy": ("name", "namePrefix", "role"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("role", "policyArn"),
    "aws:kms/alias:Alias": ("name", "namePrefix"),
    "aws:kms/key:Key": ("customerMasterKeySpec", "keyUsage", "multiRegion"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": ("clusterName", "namespace", "serviceAccount"),
    "aws:s3/": ("bucket", "bucketPrefix", "objectLockEnabled"),
}
"""What pulumi-aws makes anew for, by type, or by the beginning of several; of others nothing is known."""


@dataclass
class Difference:
    """One resource: as it was, as it would be, and what lies between. `reasons`: why it is made anew.

    `moved`: its old and its new name differ by a checksum alone, so that the engines delete one and create
    the other.
    """

    op: Op
    old: Resource | None
    new: Resource | None
    changes: list[Change] = field(default_factory=list[Change])
    reasons: list[Path] = field(default_factory=list[Path])
    moved: bool = False

    @property
    def resource(self) -> Resource:
        """As it would be; as it was, where it goes."""
        return cast("Resource", self.new or self.old)

    @property
    def title(self) -> str:
        """What users know it by: `StatefulSet filewallball/mariadb`."""
        resource = self.resource
        if resource.type.startswith("pulumi:providers:"):
            return f"provider {resource.name} ({resource.type.rpartition(':')[2]})"
        if not resource.is_kubernetes:
            return f"{resource.type.rpartition(':')[2]} {resource.name}"
        manifest = resource.manifest()
        meta = manifest["metadata"]
        meta["name"] = meta.get("name") or resource.name
        return str(key_of(manifest))


def compare(old: Rendered, new: Rendered) -> list[Difference]:
    """What becomes of each resource, in the order of the new tree, with what goes at the end."""
    pairs, gone = _paired(old.resources, new.resources)
    providers = {each.urn: each for each in new.resources if each.type == PROVIDER_TYPE}
    found = [_difference(before, after, providers) for before, after in pairs]
    return found + [Difference("delete", each, None) for each in gone]


def _paired(
    old: list[Resource], new: list[Resource]
) -> tuple[list[tuple[Resource | None, Resource]], list[Resource]]:
    """Each new resource with its predecessor, and the old ones that have no successor."""
    left = {each.urn: each for each in old}
    found: dict[str, Resource] = {}

    def pair(after: Resource, urns: Iterable[str]) -> None:
        urn = next((each for each in urns if each in left), None)
        if after.urn not in found and urn:
            found[after.urn] = left.pop(urn)

    for after in new:
        pair(after, [after.urn])
    for after in new:
        pair(after, after.options.aliases)
    for identity in (_type_and_name, _but_for_checksum):
        by_identity: dict[Any, list[str]] = defaultdict(list)
        for urn, each in left.items():
            by_identity[identity(each)].append(urn)
        for after in new:
            who = identity(after)
            urns = by_identity.get(who, []) if who else []
            pair(after, urns if len(urns) == 1 else [])
    return [(found.get(each.urn), each) for each in new], list(left.values())


def _type_and_name(resource: Resource) -> tuple[str, str]:
    return resource.type, resource.name


def _but_for_checksum(resource: Resource) -> tuple[str, str, str] | None:
    """Who a resource is when its name ends with a checksum of what it depends on, as a Job's does."""
    stem = HASHED.sub("", resource.name)
    holds = resource.is_kubernetes and known_kind(resource.api_version, resource.kind).holds_data
    return None if stem == resource.name or holds else (resource.parent, resource.type, stem)


def _difference(before: Resource | None, after: Resource, providers: dict[str, Resource]) -> Difference:
    if before is None:
        return Difference("create", None, after)
    found = _changes(before, after)
    moved = HASHED.sub("", before.name) == HASHED.sub("", after.name) != before.name != after.name
    elsewhere = before.urn != after.urn and before.urn not in after.options.aliases
    reasons = _reasons(before, after, found, providers)
    if after.custom and elsewhere and not moved:
        reasons = [("(parent)",), *reasons]
        found = [Change(("(parent)",), _chain(before), _chain(after)), *found]
    if reasons or (moved and after.custom):
        return Difference("replace", before, after, found, reasons, moved)
    return Difference("update" if found else "same", before, after, found)


def _chain(resource: Resource) -> str:
    return resource.urn.split("::", 2)[-1]


def _changes(before: Resource, after: Resource) -> list[Change]:
    old, new = body(before), body(after)
    if after.options.ignore_changes:
        new = keep_ignored(new, old, after.options.ignore_changes)
    hidden = [*before.secret_paths, *after.secret_paths]
    if after.is_kubernetes:
        hidden += secret_paths(new)
    options = [
        Change((OPTIONS, name), was, would)
        for name, was, would in (
            ("protect", before.options.protect, after.options.protect),
            ("retainOnDelete", before.options.retain, after.options.retain),
        )
        if was != would
    ]
    return sorted(compared(old, new, hidden), key=by_path) + options


def by_path(change: Change) -> list[str]:
    """To sort by: the protocol tells the fields of an object in another order each time."""
    return [f"{step:09}" if isinstance(step, int) else step for step in change.path]


def body(resource: Resource) -> dict[str, Any]:
    """The properties that are compared: of an object of Kubernetes, its manifest."""
    if resource.is_kubernetes:
        return resource.manifest()
    return resource.props


def _reasons(
    before: Resource, after: Resource, found: list[Change], providers: dict[str, Resource]
) -> list[Path]:
    """The paths of the changes that can't be made in place."""
    paths = [each.path for each in found if each.path[0] != OPTIONS]
    if after.is_kubernetes:
        provider = providers.get(after.provider.rpartition("::")[0])
        switches = provider.props if provider else {}
        name = "enableSecretMutable" if after.kind == "Secret" else "enableConfigMapMutable"
        mutable = str(switches.get(name)).lower() == "true"
        forced = immutable.forced(body(before), body(after), paths, mutable=mutable)
    else:
        fixed = {
            field for start, fields in MADE_ANEW.items() if after.type.startswith(start) for field in fields
        }
        forced = [path for path in paths if path[0] in fixed]
    wanted = after.options.replace_on_changes
    asked = [each.path for each in found if each.path[0] != OPTIONS and wanted and touches([each], wanted)]
    return list(dict.fromkeys([*forced, *asked]))
