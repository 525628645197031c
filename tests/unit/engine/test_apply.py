"""Writing objects: a kind that is defined may be served a moment later."""

from __future__ import annotations

import io
import threading
from typing import Any, cast

import pytest
from fake_kube import FakeKube

from filewallball.engine.applying.apply import Applier, update_in_place
from filewallball.engine.ownership.session import Session
from filewallball.engine.program.graph import Providers
from filewallball.engine.program.resources import Options, Resource
from filewallball.engine.showing.report import Reporter
from filewallball.engine.waiting.observer import Observer
from filewallball.engine.waiting.rollout import Waiter
from filewallball.kube import KubeError
from filewallball.redact import Redactor

DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "gadgets.test"},
    "spec": {"group": "test", "names": {"kind": "Gadget"}},
}
GADGET = Resource(
    urn="urn:g",
    type="kubernetes:test/v1:Gadget",
    name="g",
    props={"metadata": {"name": "g", "namespace": "n"}},
)


def applier(kube: Any) -> Applier:
    halt = threading.Event()
    session = Session(kube, "t", "dev", Redactor(), take_over=False)
    waiter = Waiter(kube, Observer(kube), halt)
    return Applier(session, Providers([]), waiter, Reporter(io.StringIO()), halt)


@pytest.mark.parametrize("denied", [0, 2])
def test_a_kind_that_was_just_defined_is_waited_for(denied: int) -> None:
    kube = FakeKube(cast("dict[str, Any]", DEFINITION))
    kube.late = {"Gadget": denied}
    made = applier(kube)
    assert made.deploy(GADGET).result == "done"
    assert made.failures == []


def test_a_kind_that_nobody_defined_is_refused_at_once() -> None:
    kube = FakeKube()
    kube.late = {"Gadget": 2}
    made = applier(kube)
    assert made.deploy(GADGET).result == "failed"
    assert "The cluster serves no Gadget of test/v1" in made.failures[0]
    assert kube.late == {"Gadget": 1}, "asked once"


class Unchanging(FakeKube):
    """Its API server takes no update of a field that can't change."""

    def apply(self, manifest: Any, *, manager: str, force: bool = False, dry_run: bool = False) -> Any:
        if manifest["spec"]["fixed"] != 1:
            raise KubeError(422, "Invalid", "spec.fixed: field is immutable")
        return super().apply(manifest, manager=manager, force=force, dry_run=dry_run)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"fixed": 1, "free": 1}, ""),
        ({"fixed": 1, "free": 2}, "replaceOnChanges: spec.free"),
        ({"fixed": 2, "free": 1}, "spec.fixed: field is immutable"),
        ({"fixed": 2, "free": 2}, "spec.fixed: field is immutable"),
    ],
)
def test_what_is_made_anew_for_some_changes_is_so_for_immutable_fields_too(
    spec: dict[str, int], reason: str
) -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "s", "namespace": "n"},
        "spec": {"fixed": 1, "free": 1},
    }
    kube = Unchanging(live)
    session = Session(cast("Any", kube), "t", "dev", Redactor(), take_over=False)
    options = Options(replace_on_changes=("spec.free",))
    resource = Resource(urn="urn:s", type="kubernetes:apps/v1:StatefulSet", name="s", options=options)
    found, why = update_in_place(session, resource, {**live, "spec": spec}, live)
    assert (found is None, why) == (bool(reason), reason)
