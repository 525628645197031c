"""Events of the balancer's drill, once each (every night all of them), in a real cluster under load.

Times are not judged here: a machine that also runs other tests says nothing about them. What users are told
must hold on any machine.
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
from shared_stack import CONFIG, NAMESPACE, STACK, SharedStack

from filewallball.drill import pod
from filewallball.drill.balancer.events import BY_NAME, EVENTS
from filewallball.drill.balancer.limits import REQUESTS
from filewallball.sandbox.faults import Faults

FRONT: dict[str, Any] = {"app": {"enabled": True, "secureCookie": False}, "balancer": {"enabled": True}}
IS_THERE = FRONT.keys() <= CONFIG.keys()
"""Whether the shared stack has a balancer anyway. Only then one event belongs to the daily tests."""
EVERY_TIME = {"app-killed"} if IS_THERE else set[str]()
HERE = [
    pytest.param(event.name, marks=[] if event.name in EVERY_TIME else [pytest.mark.nightly])
    for event in EVENTS
]
PATIENCE = 60
UNTIL_AN_EVENT = 420
"""Seconds, for a machine at its limits: the drill's pod, a sound stack, the load."""
WHOLE_DRILL = 2400

pytestmark = pytest.mark.timeout(WHOLE_DRILL)


@dataclass(frozen=True)
class Drilled:
    """The stack, deployed, and the folder of its drill."""

    stack: SharedStack
    out: Path
    faults: Faults

    def drill(self, *arguments: str) -> list[str]:
        return ["drill", "balancer", STACK, "--yes", "--out", str(self.out), *arguments]

    def active(self) -> list[str]:
        return [one for one in self.faults.active() if f"{NAMESPACE}/" in one]

    def left_behind(self) -> list[str]:
        """Objects of the drill that aren't on their way out."""
        kinds = [("batch/v1", "Job"), ("v1", "Pod"), ("networking.k8s.io/v1", "NetworkPolicy")]
        found = [
            one
            for api_version, kind in kinds
            for one in self.stack.kube.list(
                api_version, kind, NAMESPACE, f"app.kubernetes.io/name={pod.NAME}"
            )
        ]
        found += self.stack.kube.list("v1", "ConfigMap", NAMESPACE, "filewallball.io/drill")
        return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]

    def owners(self) -> dict[str, Any]:
        """Who owns which field of what the drill changes."""
        changed = (("Deployment", "balancer"), ("StatefulSet", "app"), ("Deployment", "redis"))
        found = {name: self.stack.kube.get("apps/v1", kind, name, NAMESPACE) for kind, name in changed}
        return {
            name: [
                (each["manager"], each["operation"], each["fieldsV1"])
                for each in one["metadata"]["managedFields"]
                # the Deployment's controller counts its revisions
                if each.get("subresource") != "status" and each["manager"] != "kube-controller-manager"
            ]
            for name, one in found.items()
            if one
        }


def wait_until(holds: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def drilled(shared_stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drilled]:
    if not IS_THERE:
        shared_stack.write(**FRONT)
        shared_stack.up()
    faults = Faults(shared_stack.sandbox.name)
    yield Drilled(shared_stack, tmp_path_factory.mktemp("drill") / "out", faults)
    faults.close()
    if not IS_THERE:
        shared_stack.write()
        shared_stack.up()


@pytest.fixture(scope="module")
def owners(drilled: Drilled) -> dict[str, Any]:
    return drilled.owners()


@pytest.mark.nightly
def test_interrupted_while_a_port_is_closed_it_leaves_the_stack_healthy(drilled: Drilled):
    command = drilled.stack.command(*drilled.drill("--event", "app-port-closed"))
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: drilled.active() or running.poll() is not None, UNTIL_AN_EVENT, "the fault")
        assert running.poll() is None, running.communicate()[0]
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    assert running.returncode == 130, said
    assert drilled.active() == []
    wait_until(lambda: not drilled.left_behind(), PATIENCE, "the drill's objects to go")


@pytest.fixture(scope="module")
def events(request: pytest.FixtureRequest) -> list[str]:
    """Those that this run of the tests has."""
    functions = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return [one.callspec.params["event"] for one in functions if one.function is test_event and one.callspec]


@pytest.fixture(scope="module")
def report(drilled: Drilled, owners: dict[str, Any], events: list[str]) -> dict[str, Any]:
    """All of them, in the folder of the drill that was interrupted."""
    words = [word for name in events for word in ("--event", name)]
    resume = ["--resume"] if (drilled.out / "rounds.jsonl").exists() else []
    done = drilled.stack.run(*drilled.drill(*resume, "--json", *words), seconds=WHOLE_DRILL)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("event", HERE)
def test_event(report: dict[str, Any], event: str):
    [one] = [one for one in report["rounds"] if one["event"] == event]
    assert one["failed"] == ""
    assert one["requests"] >= REQUESTS
    assert one["uploads"] > 0
    assert one["uploads_lost"] == 0
    assert one["passages"] > 100
    assert len(one["by_server"]) == 3
    allowed = BY_NAME[event].limits
    if allowed.failed is not None:
        assert one["failed_reads"] <= allowed.failed, one["why"]
    if allowed.failed_again is not None:
        assert one["failed_again"] <= allowed.failed_again, one["why"]


@pytest.mark.nightly
def test_it_leaves_nothing_behind_and_no_drift(
    drilled: Drilled, report: dict[str, Any], owners: dict[str, Any]
):
    assert report["about"]["drill"] == "balancer"
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
