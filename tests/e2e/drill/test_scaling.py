"""The application goes from three servers to four and back while users are there, and they don't notice.

By what a user of the platform does: a setting, and `fwb up`. Times are not judged on a machine that is busy.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from shared_stack import NAMESPACE, STACK, SharedStack

from filewallball import stack
from filewallball.drill import pod
from filewallball.drill.balancer import limits, summary, tool
from filewallball.drill.balancer.changes import Changes
from filewallball.drill.balancer.events import Event, Scene
from filewallball.drill.balancer.front import Front
from filewallball.drill.balancer.results import Round
from filewallball.drill.balancer.runner import Drill

PATIENCE = 1200
UP_SECONDS = 400
pytestmark = [pytest.mark.nightly, pytest.mark.timeout(PATIENCE)]

MORE = "app-3"
"""The server that comes and goes."""


def write(shared_stack: SharedStack, replicas: int) -> None:
    shared_stack.write(
        app={"enabled": True, "secureCookie": False, "replicas": replicas}, balancer={"enabled": True}
    )


def up_from_elsewhere(shared_stack: SharedStack) -> None:
    """As on a machine of its own: it takes no processor time from the cluster."""
    up = ["up", STACK, "--no-checks", "--yes", "--engine", "embedded"]
    command = ["nice", "-n", "19", *shared_stack.command(*up)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=UP_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def scaled(shared_stack: SharedStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Round]:
    """What users saw of it: a round of the balancer's drill."""
    write(shared_stack, 3)
    shared_stack.up()
    place = stack.find(shared_stack.project, STACK)
    front = Front.find(place)

    def more_and_fewer(scene: Scene) -> None:
        scene.at = time.time()
        for replicas in (4, 3):
            write(shared_stack, replicas)
            up_from_elsewhere(shared_stack)

    event = Event("app-scaled", "", more_and_fewer, limits.PLANNED, on_nodes=False)
    with pod.running(place, tool.work(front)) as load:
        drill = Drill(front, load, Changes(front, tmp_path_factory.mktemp("drill")), None)
        yield drill.round(event, 1)
    shared_stack.write()
    shared_stack.up()


def test_no_request_fails_and_no_upload_is_lost(scaled: Round):
    print(summary.line(replace(scaled, event="rolling-app"), {}))
    assert scaled.failed == ""
    assert scaled.requests >= limits.REQUESTS
    assert (scaled.failed_reads, scaled.uploads_lost) == (0, 0), scaled.why
    # On a machine at its limits the database may be too late for an upload: it is told to come again.
    assert {why for why in scaled.why if not why.endswith(": 503")} == set()
    assert scaled.uploads > 0


def test_the_new_server_gets_its_share(scaled: Round):
    assert list(scaled.by_server) == ["app-0", "app-1", "app-2", MORE]
    assert scaled.by_server[MORE] >= limits.RATE


def test_the_balancer_tells_what_it_does_all_the_time(scaled: Round):
    assert scaled.passages > 100
    assert scaled.disagreements == []


def test_nothing_is_left_of_the_server_that_went(scaled: Round, shared_stack: SharedStack):
    def names(kind: str) -> list[str]:
        found: list[dict[str, Any]] = shared_stack.kube.list("v1", kind, NAMESPACE)
        return [one["metadata"]["name"] for one in found]

    assert MORE not in [*names("Pod"), *names("Service")]
    [config] = shared_stack.kube.list("v1", "ConfigMap", NAMESPACE, "app.kubernetes.io/name=balancer")
    assert MORE not in config["data"]["upstreams.conf"]
