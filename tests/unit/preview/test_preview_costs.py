"""What is replaced and what updated, and what each costs."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from filewallball.engine.program.resources import Resource
from filewallball.preview.comparing import Difference, compare
from filewallball.preview.costs import costs, worst
from filewallball.preview.rendered import Rendered
from tests.unit.preview.made_trees import resource, workload

SERVICE_NAME = ("spec", "serviceName")
CLASS = ("spec", "storageClassName")
PVC = "v1/PersistentVolumeClaim"
POLICY = "networking.k8s.io/v1/NetworkPolicy"
CLAIM = {"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "5Gi"}}}}


def compared(old: list[Resource], new: list[Resource]) -> list[Difference]:
    return compare(Rendered(True, resources=old), Rendered(True, resources=new))


def changed(old: Resource, *path: Any, to: Any) -> Resource:
    """The same resource with another value at a path of its properties; None leaves it out."""
    new = copy.deepcopy(old)
    place: Any = new.props
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


def told(old: Resource, new: Resource) -> tuple[str, str, str]:
    """Operation, worst cost, and all that is said of it."""
    [found] = compared([old], [new])
    said = costs(found)
    return found.op, worst(said), "; ".join(cost.text for cost in said)


IMAGE = ("spec", "template", "spec", "containers", 0, "image")


@pytest.mark.parametrize(
    ("old", "path", "to", "op", "cost"),
    [
        (workload("StatefulSet", "mariadb", "database", replicas=1), IMAGE, "x/y:2", "update", "downtime"),
        (workload("StatefulSet", "valkey", "sessions", replicas=3), IMAGE, "x/y:2", "update", "nothing"),
        (workload("Deployment", "redis", "cache", replicas=1), IMAGE, "x/y:2", "update", "cache"),
        (
            workload("StatefulSet", "redis", "cache", replicas=1, volumeClaimTemplates=[{}]),
            IMAGE,
            "x/y:2",
            "update",
            "downtime",
        ),
        (workload("Deployment", "web", replicas=1), IMAGE, "x/y:2", "update", "nothing"),
        (
            workload("Deployment", "web", replicas=2, strategy={"type": "Recreate"}),
            IMAGE,
            "x/y:2",
            "update",
            "downtime",
        ),
        (workload("Deployment", "web", image="redis:7"), IMAGE, "redis:8", "update", "cache"),
        (workload("StatefulSet", "web", replicas=2), ("spec", "replicas"), 0, "update", "downtime"),
        (
            workload("StatefulSet", "valkey", "sessions", replicas=2),
            ("spec", "replicas"),
            0,
            "update",
            "sessions",
        ),
        (
            workload("StatefulSet", "db", "database", serviceName="a"),
            SERVICE_NAME,
            "b",
            "replace",
            "downtime",
        ),
        (workload("StatefulSet", "s", "sessions", serviceName="a"), SERVICE_NAME, "b", "replace", "sessions"),
        (
            workload("Deployment", "c", "cache", selector={"a": "1"}),
            ("spec", "selector"),
            {},
            "replace",
            "downtime",
        ),
        (
            workload(
                "StatefulSet",
                "d",
                persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"},
                serviceName="a",
            ),
            SERVICE_NAME,
            "b",
            "replace",
            "refused",
        ),
        (resource(PVC, "c", CLAIM), CLASS, "slow", "replace", "data"),
        (
            resource(PVC, "c", CLAIM, retain=True),
            CLASS,
            "slow",
            "replace",
            "refused",
        ),
        (
            resource(PVC, "c", CLAIM, protect=True),
            ("spec", "resources", "requests", "storage"),
            "4Gi",
            "replace",
            "refused",
        ),
        (
            resource(PVC, "c", CLAIM, retain=True),
            ("spec", "resources", "requests", "storage"),
            "6144Mi",
            "update",
            "nothing",
        ),
        (
            resource(PVC, "c", CLAIM, retain=True),
            ("metadata", "namespace"),
            "other",
            "replace",
            "data",
        ),
        (resource("v1/Secret", "s", {"type": "Opaque"}), ("type",), "tls", "replace", "downtime"),
        (
            resource("v1/Service", "s", {"spec": {"clusterIP": "None"}}),
            ("spec", "clusterIP"),
            "",
            "replace",
            "downtime",
        ),
        (
            resource("batch/v1/Job", "j", {"spec": {"template": {}}}),
            ("spec", "template"),
            {"a": 1},
            "replace",
            "nothing",
        ),
        (
            resource(
                "batch/v1/CronJob",
                "b",
                {
                    "metadata": {"labels": {"app.kubernetes.io/component": "backup"}},
                    "spec": {"suspend": False},
                },
            ),
            ("spec", "suspend"),
            True,
            "update",
            "backups",
        ),
        (
            resource("rbac.authorization.k8s.io/v1/RoleBinding", "r", {"roleRef": {"name": "a"}}),
            ("roleRef", "name"),
            "b",
            "replace",
            "nothing",
        ),
    ],
)
def test_a_change_is_in_place_or_not_and_costs(
    old: Resource, path: tuple[Any, ...], to: Any, op: str, cost: str
) -> None:
    assert told(old, changed(old, *path, to=to))[:2] == (op, cost)


@pytest.mark.parametrize(
    ("gone", "cost"),
    [
        (resource(PVC, "c"), "data"),
        (resource(PVC, "c", retain=True), "nothing"),
        (resource(PVC, "c", protect=True), "refused"),
        (resource("v1/Namespace", "n"), "data"),
        (
            resource("v1/PersistentVolume", "v", {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}),
            "nothing",
        ),
        (resource("apiextensions.k8s.io/v1/CustomResourceDefinition", "d"), "data"),
        (workload("StatefulSet", "valkey", "sessions"), "sessions"),
        (workload("StatefulSet", "mariadb", "database"), "downtime"),
        (workload("Deployment", "redis", "cache"), "downtime"),
        (resource("v1/Service", "s"), "downtime"),
        (resource("v1/ConfigMap", "m"), "nothing"),
        (resource(POLICY, "deny", {"spec": {"policyTypes": ["Ingress"]}}), "nothing"),
        (resource(POLICY, "open", {"spec": {"ingress": [{}]}}), "downtime"),
        (
            dataclasses.replace(
                resource("v1/Thing", "b"), type="aws:s3/bucket:Bucket", props={"bucket": "b"}
            ),
            "data",
        ),
    ],
)
def test_a_deletion_costs(gone: Resource, cost: str) -> None:
    [found] = compared([gone], [])
    assert (found.op, worst(costs(found))) == ("delete", cost)


def test_a_bucket_of_another_name_is_new_and_empty() -> None:
    old = dataclasses.replace(resource("v1/Thing", "b"), type="aws:s3/bucket:Bucket", props={"bucket": "a"})
    new = dataclasses.replace(old, props={"bucket": "b"})
    assert told(old, new)[:2] == ("replace", "data")


def test_taking_protection_off_is_told() -> None:
    old = resource(PVC, "c", CLAIM, protect=True)
    new = resource(PVC, "c", CLAIM)
    op, cost, text = told(old, new)
    assert (op, cost) == ("update", "nothing")
    assert "isn't protected any more" in text


@pytest.mark.parametrize(("provider", "field"), [("kubernetes", "context"), ("aws", "region")])
def test_another_cluster_or_region_leaves_all_data_behind(provider: str, field: str) -> None:
    old = dataclasses.replace(resource("v1/P", "p"), type=f"pulumi:providers:{provider}", props={field: "a"})
    assert told(old, changed(old, field, to="b"))[:2] == ("update", "data")
    assert compared([old], [])[0].title == f"provider p ({provider})"


def test_what_belongs_to_a_bucket_is_made_anew_with_it() -> None:
    kind = "aws:s3/bucketPolicy:BucketPolicy"
    old = dataclasses.replace(resource("v1/Thing", "p"), type=kind, props={"bucket": "a", "policy": "{}"})
    assert told(old, changed(old, "bucket", to="b"))[:2] == ("replace", "nothing")
    assert told(old, changed(old, "policy", to="{ }"))[:2] == ("update", "nothing")


@pytest.mark.parametrize(("switch", "op"), [(True, "update"), ("true", "update"), (None, "replace")])
def test_a_config_map_changes_in_place_where_the_provider_is_told_so(switch: Any, op: str) -> None:
    props = {} if switch is None else {"enableConfigMapMutable": switch}
    provider = dataclasses.replace(resource("v1/P", "p"), type="pulumi:providers:kubernetes", props=props)
    old = resource("v1/ConfigMap", "m", {"data": {"a": "1"}})
    old.provider = f"{provider.urn}::id"
    found = compared([provider, old], [provider, changed(old, "data", "a", to="2")])
    assert [each.op for each in found] == ["same", op]
    frozen = changed(old, "immutable", to=True)
    again = compared([provider, frozen], [provider, changed(frozen, "data", "a", to="2")])
    assert again[1].op == "replace"


def test_ignored_changes_are_none_and_wanted_replacements_are() -> None:
    old = resource("v1/Thing", "t", {"data": {"a": "1"}, "b": 1})
    ignoring = resource("v1/Thing", "t", {"data": {"a": "2"}, "b": 1}, ignore_changes=("data",))
    assert compared([old], [ignoring])[0].op == "same"
    replacing = resource("v1/Thing", "t", {"data": {"a": "2"}, "b": 1}, replace_on_changes=("data.a",))
    assert compared([old], [replacing])[0].op == "replace"


def test_aliases_lead_to_the_old_resource() -> None:
    old = resource("v1/Thing", "before", {"metadata": {"name": "x"}})
    new = resource("v1/Thing", "after", {"metadata": {"name": "x"}}, aliases=(old.urn,))
    assert [each.op for each in compared([old], [new])] == ["same"]
    stranger = dataclasses.replace(new, options=dataclasses.replace(new.options, aliases=()))
    assert sorted(each.op for each in compared([old], [stranger])) == ["create", "delete"]


def test_another_parent_without_an_alias_makes_anew() -> None:
    old = resource("v1/Thing", "t")
    moved = dataclasses.replace(old, urn="urn:pulumi:dev::shop::t:index:Group$kubernetes:core/v1:Thing::t")
    [found] = compared([old], [moved])
    assert (found.op, found.reasons) == ("replace", [("(parent)",)])


def test_a_job_named_by_a_checksum_is_one_that_runs_again() -> None:
    old, new = (resource("batch/v1/Job", f"checks-{digits}") for digits in ("0123abcd", "4567cdef"))
    [found] = compared([old], [new])
    assert (found.op, found.moved) == ("replace", True)
    claims = [resource("v1/PersistentVolumeClaim", f"data-{digits}") for digits in ("0123abcd", "4567cdef")]
    assert sorted(each.op for each in compared(claims[:1], claims[1:])) == ["create", "delete"]
