"""What may be deleted, and in which order."""

from __future__ import annotations

import json
from typing import Any

from filewallball.engine.applying.remove import split, waves
from filewallball.engine.ownership.session import OPTIONS, URN, refusal

VERSIONS = {"StatefulSet": "apps/v1", "CustomResourceDefinition": "apiextensions.k8s.io/v1"}


def obj(name: str, kind: str = "ConfigMap", after: list[str] | None = None, **notes: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "annotations": {URN: f"urn:{name}"}}
    meta["annotations"][OPTIONS] = json.dumps({"after": [f"urn:{each}" for each in after or []], **notes})
    if kind != "Namespace":
        meta["namespace"] = "shop"
    version = VERSIONS.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {}}


def names(objects: list[dict[str, Any]]) -> list[str]:
    return sorted(each["metadata"]["name"] for each in objects)


def test_dependents_go_first() -> None:
    objects = [obj("base"), obj("middle", after=["base"]), obj("top", after=["middle", "base"])]
    assert [names(wave) for wave in waves(objects)] == [["top"], ["middle"], ["base"]]


def test_without_dependencies_the_kind_decides() -> None:
    objects = [
        obj("shop", "Namespace"),
        obj("data", "PersistentVolumeClaim"),
        obj("c"),
        obj("db", "StatefulSet"),
    ]
    assert [names(wave) for wave in waves(objects)] == [["db"], ["c"], ["data"], ["shop"]]


def test_a_circle_comes_to_an_end() -> None:
    assert len(waves([obj("a", after=["b"]), obj("b", after=["a"])])) == 1


def test_a_namespace_stays_as_long_as_anything_in_it_does() -> None:
    objects = [obj("shop", "Namespace"), obj("data", "PersistentVolumeClaim", retain=True), obj("c")]
    gone, kept, protected = split(objects)
    assert (names(gone), names(kept), names(protected)) == (["c"], ["data", "shop"], [])
    gone, kept, protected = split(objects, purge=True)
    assert (names(gone), names(kept)) == (["c", "data", "shop"], [])


def test_protection_outweighs_purge() -> None:
    gone, kept, protected = split([obj("a", protect=True, retain=True), obj("b")], purge=True)
    assert (names(gone), names(kept), names(protected)) == (["b"], [], ["a"])


def test_what_holds_data_is_not_made_anew() -> None:
    assert refusal(obj("c"), protect=False, retain=False) == ("", "")
    assert "protected" in refusal(obj("c", protect=True), protect=False, retain=False)[0]
    assert "delete what it holds" in refusal(obj("c"), protect=False, retain=True)[0]
    for kind in ("PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"):
        assert "delete what it holds" in refusal(obj("x", kind), protect=False, retain=False)[0]
