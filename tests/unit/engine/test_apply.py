"""Writing objects: a kind that is defined may be served a moment later."""

from __future__ import annotations

import io
import threading
from typing import Any, cast

import pytest
from fake_kube import FakeKube

from filewallball.engine.applying.apply import Applier
from filewallball.engine.ownership.session import Session
from filewallball.engine.program.graph import Providers
from filewallball.engine.program.resources import Resource
from filewallball.engine.showing.report import Reporter
from filewallball.engine.waiting.observer import Observer
from filewallball.engine.waiting.rollout import Waiter
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
