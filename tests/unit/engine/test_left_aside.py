"""What holds data and is no longer declared: it waits in the stack's namespace until `destroy --purge`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_kube import FakeKube

from filewallball.engine import Options, Reporter, Result, destroy, preview, up
from filewallball.engine import run as module
from filewallball.engine.ownership.record import LABEL
from filewallball.engine.ownership.session import OPTIONS

PROGRAM = """
import pulumi

for name, kind, meta in {listed}:
    props = {{"apiVersion": "v1", "kind": kind, "metadata": meta}}
    pulumi.CustomResource(
        f"kubernetes:core/v1:{{kind}}", name, props, pulumi.ResourceOptions(retain_on_delete=True)
    )
"""
SHOP = ("shop", "Namespace", {"name": "shop"})


def claim(name: str, namespace: str = "shop") -> tuple[str, str, dict[str, Any]]:
    annotations = {"pulumi.com/skipAwait": "true"}
    return (name, "PersistentVolumeClaim", {"name": name, "namespace": namespace, "annotations": annotations})


class Place:
    """A project and a cluster in memory."""

    def __init__(self, folder: Path, kube: FakeKube) -> None:
        self.folder = folder
        self.kube = kube
        (folder / "Pulumi.yaml").write_text("name: t\nruntime: python\n")
        (folder / "Pulumi.dev.yaml").write_text("config: {}\n")

    def run(self, command: Any, *declared: tuple[str, str, dict[str, Any]], **options: Any) -> dict[str, str]:
        """Action by name, after a run with these declared."""
        (self.folder / "__main__.py").write_text(PROGRAM.format(listed=repr(declared)))
        result: Result = command(self.folder, "dev", Options(**options), Reporter(io.StringIO()))
        assert not result.failures
        return {step.key.name: step.action for step in result.steps if step.key}

    def get(self, name: str) -> dict[str, Any] | None:
        return self.kube.get("v1", "PersistentVolumeClaim", name, "shop")


@pytest.fixture(name="place")
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    kube = FakeKube()
    monkeypatch.setattr(module, "connect", lambda *_: kube)
    return Place(tmp_path, kube)


def test_it_is_said_once_and_then_left_alone(place: Place) -> None:
    place.run(up, SHOP, claim("a"), claim("b"))
    assert place.run(up, SHOP, claim("a"))["b"] == "keep"
    assert "b" not in place.run(preview, SHOP, claim("a"))
    assert "b" not in place.run(up, SHOP, claim("a"))
    assert place.get("b")


def test_the_last_of_its_kind_is_not_forgotten(place: Place) -> None:
    place.run(up, SHOP, claim("a"))
    place.run(up, SHOP)
    place.run(up, SHOP)
    assert place.run(destroy, SHOP, purge=True) == {"a": "delete", "shop": "delete"}


def test_declared_again_it_is_taken_up(place: Place) -> None:
    place.run(up, SHOP, claim("a"))
    place.run(up, SHOP)
    assert place.run(up, SHOP, claim("a"))["a"] in {"same", "update"}
    found = place.get("a")
    assert found
    assert "aside" not in json.loads(found["metadata"]["annotations"][OPTIONS])


def test_destroy_keeps_it_and_purge_takes_it_along(place: Place) -> None:
    place.run(up, SHOP, claim("a"), claim("b"))
    place.run(up, SHOP, claim("a"))
    assert place.run(destroy, SHOP, claim("a")) == {"a": "keep", "b": "keep", "shop": "keep"}
    assert place.run(destroy, SHOP, claim("a"), purge=True) == {
        "a": "delete",
        "b": "delete",
        "shop": "delete",
    }


def test_with_its_namespace_it_leaves_the_stack(place: Place) -> None:
    other = ("other", "Namespace", {"name": "other"})
    place.run(up, SHOP, claim("a"), claim("b"))
    place.run(up, SHOP, claim("a"))
    assert place.run(up, other) == {"other": "create", "shop": "keep", "a": "keep", "b": "keep"}
    for name in ("a", "b"):
        found = place.get(name)
        assert found
        assert LABEL not in found["metadata"]["labels"]
    assert place.run(destroy, other, purge=True) == {"other": "delete"}
    assert place.get("b"), "it was let go of, so purging is none of this stack's business"
