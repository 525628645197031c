"""Whole runs on a cluster in memory: what must not be lost stays, and whose it is gets said."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fake_kube import FakeKube

from filewallball.engine import Options, Reporter, Result, destroy, preview, up
from filewallball.engine import run as module
from filewallball.engine.ownership.record import LABEL, Record, Store
from filewallball.engine.ownership.session import OPTIONS, URN
from filewallball.engine.program.resources import Key
from filewallball.errors import UserError

PROGRAM = """
import pulumi

for name, kind, meta, aliases in {listed}:
    props = {{"apiVersion": "v1", "kind": kind, "metadata": meta}}
    options = pulumi.ResourceOptions(aliases=[pulumi.Alias(name=each) for each in aliases])
    pulumi.CustomResource(f"kubernetes:core/v1:{{kind}}", name, props, options)
"""
Command = Any


class Place:
    """A project, a cluster in memory, and what the last command printed."""

    def __init__(self, folder: Path, kube: FakeKube) -> None:
        self.folder = folder
        self.kube = kube
        self.said = ""
        (folder / "Pulumi.yaml").write_text("name: t\nruntime: python\n")
        (folder / "Pulumi.dev.yaml").write_text("config: {}\n")

    def declare(self, *listed: tuple[str, str, dict[str, Any], list[str]]) -> None:
        (self.folder / "__main__.py").write_text(PROGRAM.format(listed=repr(listed)))

    def run(self, command: Command, **options: Any) -> Result:
        out = io.StringIO()
        reporter = Reporter(out)
        try:
            result: Result = command(self.folder, "dev", Options(**options), reporter)
            reporter.summary(result)
        finally:
            self.said = out.getvalue()
        return result

    def has(self, kind: str, name: str, namespace: str = "") -> bool:
        return any(key[1:] == (kind, namespace, name) for key in self.kube.objects)


@pytest.fixture(name="place")
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    kube = FakeKube()
    monkeypatch.setattr(module, "connect", lambda *_: kube)
    made = Place(tmp_path, kube)
    made.declare(
        ("shop", "Namespace", {"name": "shop"}, []),
        ("settings", "ConfigMap", {"name": "settings", "namespace": "shop"}, []),
    )
    return made


def thing(kind: str, name: str, api_version: str = "v1", **meta: Any) -> dict[str, Any]:
    """An object in the namespace shop that the stack did not make."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", **meta},
        "spec": {},
    }


OTHERS = [
    thing("PersistentVolumeClaim", "old-data"),
    thing("Deployment", "theirs", "apps/v1"),
    thing("StatefulSet", "theirs", "apps/v1"),
    thing("DaemonSet", "theirs", "apps/v1"),
    thing("CronJob", "theirs", "batch/v1"),
    thing("Job", "theirs", "batch/v1"),
    thing("Pod", "theirs"),
    thing("Pod", "of-another-stack", labels={LABEL: "t.prd"}),
]


@pytest.mark.parametrize("purge", [True, False])
@pytest.mark.parametrize("other", OTHERS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_a_namespace_with_things_of_others_outlives_destroy(
    place: Place, other: dict[str, Any], purge: bool
) -> None:
    place.run(up)
    place.kube.create(other)
    asked: list[str] = []
    result = place.run(destroy, purge=purge, confirm=lambda names: asked.extend(names) or True)
    name = other["metadata"]["name"]
    assert place.has("Namespace", "shop")
    assert place.has(other["kind"], name, "shop")
    assert not place.has("ConfigMap", "settings", "shop")
    assert asked == ["ConfigMap shop/settings"]
    assert f"{other['kind']} shop/{name}" in place.said
    assert result.exit_code == 0
    place.kube.delete(other["apiVersion"], other["kind"], name, "shop")
    place.run(destroy, purge=True)
    assert place.kube.objects == {}, "the record knew of the namespace"


def test_what_comes_of_the_stack_or_is_over_does_not_hold_the_namespace(place: Place) -> None:
    place.run(up)
    done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
    for each in (
        thing("Pod", "web-1", ownerReferences=[{"kind": "ReplicaSet", "name": "web"}]),
        thing("Job", "marked", "batch/v1", labels={LABEL: "t.dev"}),
        thing("Job", "done", "batch/v1") | done,
        thing("Pod", "done") | {"status": {"phase": "Succeeded"}},
        thing("PersistentVolumeClaim", "leaving", deletionTimestamp="2026-01-01T00:00:00Z"),
    ):
        place.kube.create(each)
    place.run(destroy)
    assert place.kube.objects == {}


def test_what_came_while_the_question_was_open_is_spared(place: Place) -> None:
    place.run(up)

    def confirm(_: list[str]) -> bool:
        place.kube.create(OTHERS[0])
        return True

    result = place.run(destroy, confirm=confirm)
    assert place.has("PersistentVolumeClaim", "old-data", "shop")
    assert result.exit_code == 1
    assert "PersistentVolumeClaim shop/old-data" in result.failures[0]


def test_a_namespace_that_leaves_the_program_stays_with_what_others_have_in_it(place: Place) -> None:
    place.run(up)
    place.kube.create(OTHERS[0])
    place.declare(("settings", "ConfigMap", {"name": "settings", "namespace": "default"}, []))
    shown = place.run(preview)
    assert {step.title: step.action for step in shown.steps}["Namespace shop"] == "keep"
    place.run(up)
    assert place.has("PersistentVolumeClaim", "old-data", "shop")
    assert not place.has("ConfigMap", "settings", "shop")
    assert "PersistentVolumeClaim shop/old-data" in place.said


@pytest.mark.parametrize(
    ("managers", "words"),
    [(["pulumi-kubernetes-1234"], "made by the Pulumi CLI"), (["kubectl"], "is not part of this stack")],
)
def test_destroy_of_a_stack_that_others_made_says_so(place: Place, managers: list[str], words: str) -> None:
    fields = [{"manager": each} for each in managers]
    place.kube.create(thing("ConfigMap", "settings", managedFields=fields))
    with pytest.raises(UserError, match=words) as caught:
        place.run(destroy)
    assert "Nothing was deleted" in caught.value.message
    assert list(place.kube.objects) == [Key("", "ConfigMap", "shop", "settings")], "the lock is released"


def test_destroy_of_a_stack_that_is_not_there_names_the_cluster(place: Place) -> None:
    assert place.run(destroy).exit_code == 0
    assert "nothing of this stack is on shop" in place.said
    assert "nothing to delete" in place.said
    assert place.kube.objects == {}


@pytest.mark.parametrize("command", [up, destroy])
def test_the_record_is_read_under_the_lock(
    place: Place, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []
    load = Store.load

    def spied(store: Store) -> Record | None:
        held.append(place.has("Lease", store.name, "default"))
        return load(store)

    monkeypatch.setattr(Store, "load", spied)
    place.run(command)
    assert held == [True]


def claim(name: str, namespace: str, **meta: Any) -> dict[str, Any]:
    """A claim as the stack would have made it from the resource `data`."""
    notes = {
        URN: "urn:pulumi:dev::t::kubernetes:core/v1:PersistentVolumeClaim::data",
        OPTIONS: json.dumps({"retain": True}),
    }
    made = thing("PersistentVolumeClaim", name, labels={LABEL: "t.dev"}, annotations=notes, **meta)
    made["metadata"]["namespace"] = namespace
    return made


def declared(logical: str, name: str, namespace: str, *aliases: str) -> Any:
    return (
        logical,
        "PersistentVolumeClaim",
        {"name": name, "namespace": namespace, "annotations": {"pulumi.com/skipAwait": "true"}},
        list(aliases),
    )


@pytest.mark.parametrize(
    "moved",
    [
        declared("data", "data", "elsewhere"),
        declared("data", "renamed", "shop"),
        declared("files", "renamed", "shop", "data"),
    ],
)
def test_a_claim_is_not_moved_without_its_data(place: Place, moved: Any) -> None:
    place.kube.create(claim("data", "shop"))
    place.declare(("first", "ConfigMap", {"name": "first", "namespace": "shop"}, []), moved)
    shown = place.run(preview)
    assert shown.exit_code == 1
    assert "would take the place of PersistentVolumeClaim shop/data" in place.said
    assert f"kubectl -n shop label persistentvolumeclaim data {LABEL}-" in place.said
    with pytest.raises(UserError, match="its data would not move there"):
        place.run(up)
    assert list(place.kube.objects) == [Key("", "PersistentVolumeClaim", "shop", "data")], "nothing touched"


def test_a_claim_whose_predecessor_has_gone_or_was_let_go_is_made(place: Place) -> None:
    place.declare(declared("data", "data", "elsewhere"))
    place.kube.create(claim("data", "shop", deletionTimestamp="2026-01-01T00:00:00Z"))
    assert place.run(preview).exit_code == 0
    place.kube.objects.clear()
    let_go = claim("data", "shop")
    del let_go["metadata"]["labels"]
    place.kube.create(let_go)
    assert place.run(preview).exit_code == 0
    assert place.run(up).exit_code == 0
    assert place.has("PersistentVolumeClaim", "data", "shop")
    assert place.has("PersistentVolumeClaim", "data", "elsewhere")


def test_claims_that_only_trade_their_logical_names_are_left_alone(place: Place) -> None:
    place.kube.create(claim("data", "shop"))
    place.declare(declared("data", "added", "shop"), declared("files", "data", "shop"))
    assert place.run(preview).exit_code == 0
    assert place.run(up).exit_code == 0
    assert place.has("PersistentVolumeClaim", "data", "shop")
    assert place.has("PersistentVolumeClaim", "added", "shop")
