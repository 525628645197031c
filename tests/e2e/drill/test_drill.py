"""Events of the drill, once each (every night all of them), on a real set under load.

What is asked must hold on any machine, however busy.

Outages are not judged here: a machine that also runs other tests says nothing about them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from shared_stack import NAMESPACE, STACK, SharedStack

from filewallball.drill import pod
from filewallball.drill.events import BY_NAME, EVENTS
from filewallball.drill.limits import PLANNED
from filewallball.drill.runner import PRELOAD, SETTLE_SECONDS, STEADY_SECONDS
from filewallball.kube import Kube
from filewallball.sandbox.faults import Faults

PATIENCE = 60
UNTIL_AN_EVENT = pod.START_SECONDS + SETTLE_SECONDS + STEADY_SECONDS
"""Seconds that the drill itself waits at most for its pod, for the set and for the load."""
WHOLE_DRILL = 600
"""Seconds, for a machine at its limits: eight minutes were seen with load 40 on two cores, six with 25."""

EVERY_TIME = {"pod-deleted"}
HERE = [
    pytest.param(event.name, marks=[] if event.name in EVERY_TIME else [pytest.mark.nightly])
    for event in EVENTS
    # that one would take the processors from the tests beside this one
    if event.name != "machine-busy"
]

pytestmark = pytest.mark.timeout(WHOLE_DRILL)


@dataclass(frozen=True)
class Drilled:
    """The stack, deployed, and the folder of its drill."""

    stack: SharedStack
    out: Path
    faults: Faults

    @property
    def kube(self) -> Kube:
        return self.stack.kube

    def drill(self, *arguments: str) -> list[str]:
        return ["drill", "valkey", STACK, "--yes", "--out", str(self.out), *arguments]

    def active(self) -> list[str]:
        """The faults in this stack; other tests make some of their own on the same sandbox."""
        return [one for one in self.faults.active() if f"{NAMESPACE}/" in one]

    def left_behind(self) -> list[str]:
        """Objects of the drill that aren't on their way out."""
        kinds = [("batch/v1", "Job"), ("v1", "Pod"), ("networking.k8s.io/v1", "NetworkPolicy")]
        return [
            f"{kind} {one['metadata']['name']}"
            for api_version, kind in kinds
            for one in self.kube.list(api_version, kind, NAMESPACE, f"app.kubernetes.io/name={pod.NAME}")
            if "deletionTimestamp" not in one["metadata"]
        ]

    def owners(self) -> dict[str, Any]:
        """Who owns which field of what a rolling update changes."""
        objects = [
            self.kube.get(api_version, kind, name, NAMESPACE)
            for api_version, kind, name in (
                ("v1", "ConfigMap", "valkey-config"),
                ("apps/v1", "StatefulSet", "valkey"),
                ("apps/v1", "StatefulSet", "valkey-sentinel"),
            )
        ]
        return {
            one["metadata"]["name"]: [
                (each["manager"], each["operation"], each["fieldsV1"])
                for each in one["metadata"]["managedFields"]
                if each.get("subresource") != "status"
            ]
            for one in objects
            if one
        }


@pytest.fixture(scope="module")
def drilled(shared_stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drilled]:
    faults = Faults(shared_stack.sandbox.name)
    yield Drilled(shared_stack, tmp_path_factory.mktemp("drill") / "out", faults)
    faults.close()


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def test_interrupted_in_a_cut_it_leaves_the_set_healthy(drilled: Drilled):
    command = drilled.stack.command(*drilled.drill("--event", "network-cut"))
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: drilled.active() or running.poll() is not None, UNTIL_AN_EVENT, "the cut")
        assert running.poll() is None, running.communicate()[0]
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    assert running.returncode == 130, said
    assert drilled.active() == []
    # Pods go after their Job, when the cluster comes to it.
    wait_until(lambda: not drilled.left_behind(), PATIENCE, "the drill's objects to go")
    [about] = (drilled.out / "rounds.jsonl").read_text().splitlines()
    assert json.loads(about)["stack"] == STACK


@pytest.fixture(scope="module")
def owners(drilled: Drilled) -> dict[str, Any]:
    return drilled.owners()


@pytest.fixture(scope="module")
def events(request: pytest.FixtureRequest) -> list[str]:
    """Those that this run of the tests has."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return [one.callspec.params["event"] for one in functions if one.function is test_event and one.callspec]


@pytest.fixture(scope="module")
def report(drilled: Drilled, owners: dict[str, Any], events: list[str]) -> dict[str, Any]:
    """All of them, in the folder of the drill that was interrupted."""
    words = [word for name in events for word in ("--event", name)]
    # alone, without the test that interrupts a drill, there is none to go on with
    resume = ["--resume"] if (drilled.out / "rounds.jsonl").exists() else []
    done = drilled.stack.run(*drilled.drill(*resume, "--json", *words), seconds=WHOLE_DRILL)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_every_event_has_its_round(drilled: Drilled, report: dict[str, Any], events: list[str]):
    assert [one["event"] for one in report["rounds"]] == events
    assert set(events) >= EVERY_TIME
    for name in ("report.md", "report.json", "outages.svg"):
        assert (drilled.out / name).stat().st_size


@pytest.mark.parametrize("event", HERE)
def test_event(report: dict[str, Any], event: str):
    [one] = [one for one in report["rounds"] if one["event"] == event]
    assert one["failed"] == ""
    assert one["redundancy"] is not None
    assert one["writes"] > 400
    assert one["waited_writes"] > 100
    assert one["waited_outage"] is not None
    if event == "all-pods":
        assert one["saved"] > PRELOAD
        assert one["lost_saved"] == 0
    else:
        assert one["lost_waited"] == 0
    if BY_NAME[event].limits is PLANNED:
        assert one["lost_plain"] == 0
        # A member counts as accepting by when the client read its answers: a client that stood still may
        # read the last one of the old primary after the first one of the new.
        assert one["primaries"] == 1 or one["overlap"] <= one["stall"], one


def test_it_leaves_nothing_behind_and_no_drift(
    drilled: Drilled, report: dict[str, Any], owners: dict[str, Any]
):
    wait_until(lambda: not drilled.left_behind(), PATIENCE, "the drill's objects to go")
    assert drilled.active() == []
    assert drilled.owners() == owners
    preview = drilled.stack.run("preview", STACK, "--engine", "embedded", "--json")
    assert preview.returncode == 0, preview.stderr
    changed = [
        step["object"]
        for step in json.loads(preview.stdout)["resources"]
        if step["action"] not in ("same", "component", "keep", "read")
        and "filewallball-checks" not in str(step["object"])
    ]
    assert changed == []
