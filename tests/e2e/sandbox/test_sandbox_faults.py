"""Faults made from outside: processes killed and frozen, networks cut both ways and one way; and healing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cluster_objects as objects
import pytest
from shared_sandbox import Sandbox

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox import process
from filewallball.sandbox.faults import Direction, Faults

PEER = str(Path(__file__).with_name("peer.py"))
PORT = 9000
SLEEP = ["busybox", "sleep", "3600"]
BEAT = ["sh", "-c", "i=0; while :; do i=$((i+1)); echo $i > /tmp/beat; busybox sleep 0.05; done"]
QUIET = 0.5  # seconds for which nothing must arrive where a cut is


@pytest.fixture
def faults(sandbox: Sandbox, namespace: str) -> Iterator[Faults]:
    found = Faults(sandbox.name)
    yield found
    found.heal_all(namespace)
    found.close()


def start(sandbox: Sandbox, namespace: str, pods: dict[str, list[str]]) -> None:
    objects.wait_until(
        lambda: sandbox.kube.get("v1", "ServiceAccount", "default", namespace) is not None, "accounts"
    )
    for name, command in pods.items():
        manifest = objects.pod(namespace, name, command, labels={"app": name})
        manifest["spec"]["restartPolicy"] = "Always"
        sandbox.kube.create(manifest)
    for name in pods:
        objects.wait_ready(sandbox.kube, namespace, name)


def active(faults: Faults, namespace: str) -> list[str]:
    return [each for each in faults.active() if f"{namespace}/" in each]


def restarts(sandbox: Sandbox, namespace: str, pod: str) -> int:
    return objects.status_of(sandbox.kube, namespace, pod)["containerStatuses"][0]["restartCount"]


def connects(netns: int, host: str, port: int = PORT) -> bool:
    """Whether a new connection can be made from the network of a process."""
    script = f"import socket; socket.create_connection(({host!r}, {port}), timeout=2)"
    inside = ["nsenter", f"--net=/proc/{netns}/ns/net", sys.executable, "-c", script]
    return subprocess.run(inside, capture_output=True, check=False).returncode == 0


class Peer:
    """A host program in a pod's network that talks on an open connection; see peer.py."""

    def __init__(self, pid: int, output: Path, role: str, host: str) -> None:
        self.output = output
        inside = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, PEER, role, host, str(PORT)]
        with output.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(inside, stdout=file, stderr=file)

    def newest(self) -> float:
        """When the newest line that arrived was sent, in seconds of the epoch."""
        lines = [each for each in self.output.read_text().split("\n")[:-1] if each[:1].isdigit()]
        return float(lines[-1]) if lines else 0.0

    def wait_heard(self, after: float) -> None:
        objects.wait_until(lambda: self.newest() > after, f"a line sent after {after}", self.output.read_text)


@dataclass
class Pair:
    """Two pods on an open connection, made by way of a Service."""

    server: Peer
    client: Peer
    service: str


@pytest.fixture
def pair(sandbox: Sandbox, namespace: str, faults: Faults, tmp_path: Path) -> Iterator[Pair]:
    start(sandbox, namespace, {"server": SLEEP, "client": SLEEP})
    objects.create_service(sandbox.kube, namespace, "server", {"app": "server"}, PORT, PORT)
    service = (sandbox.kube.get("v1", "Service", "server", namespace) or {})["spec"]["clusterIP"]
    address = objects.status_of(sandbox.kube, namespace, "server")["podIP"]
    server = Peer(faults.pid(namespace, "server", "main"), tmp_path / "server", "listen", address)
    client = Peer(faults.pid(namespace, "client", "main"), tmp_path / "client", "connect", service)
    try:
        server.wait_heard(0.0)
        client.wait_heard(0.0)
        yield Pair(server, client, service)
    finally:
        for peer in (client, server):
            peer.process.kill()
            peer.process.wait()


@pytest.mark.parametrize(
    ("direction", "heard"),
    [
        ("both", ()),
        pytest.param("in", ("client",), marks=pytest.mark.nightly),
        pytest.param("out", ("server",), marks=pytest.mark.nightly),
    ],
)
def test_a_cut_holds_for_an_open_connection_until_it_is_healed(
    namespace: str, faults: Faults, pair: Pair, direction: Direction, heard: tuple[str, ...]
) -> None:
    """The server's pod is cut off: `heard` are the ends that the other one still reaches."""
    cut = faults.cut(namespace, "server", direction)
    for name, peer in (("server", pair.server), ("client", pair.client)):
        if name in heard:
            peer.wait_heard(cut)  # soon no more: what isn't confirmed is repeated, and new lines wait
    time.sleep(QUIET)
    for name, peer in (("server", pair.server), ("client", pair.client)):
        assert (peer.newest() > cut) == (name in heard), name
    assert len(active(faults, namespace)) == 1

    healed = faults.heal(namespace, "server")
    assert active(faults, namespace) == []
    pair.server.wait_heard(healed)
    pair.client.wait_heard(healed)


@pytest.mark.parametrize(
    "direction",
    ["both", pytest.param("in", marks=pytest.mark.nightly), pytest.param("out", marks=pytest.mark.nightly)],
)
def test_what_a_cut_stops_and_what_it_lets_pass(
    sandbox: Sandbox, namespace: str, faults: Faults, pair: Pair, direction: Direction
) -> None:
    supervisor = process.running(paths.sandbox_dir(sandbox.name))
    assert supervisor is not None
    address = objects.status_of(sandbox.kube, namespace, "server")["podIP"]
    kubernetes = (sandbox.kube.get("v1", "Service", "kubernetes", "default") or {})["spec"]["clusterIP"]
    server, client = (faults.pid(namespace, each, "main") for each in ("server", "client"))

    ways = {
        "pod to pod": (client, address),
        "pod to Service": (client, pair.service),
        "pod to API server": (server, kubernetes, 443),
        "kubelet to pod": (supervisor.pid, address),
        "pod to itself": (server, address),
        "others": (client, kubernetes, 443),
    }

    def seen() -> dict[str, bool]:
        with ThreadPoolExecutor() as pool:  # what is cut takes two seconds each
            return dict(zip(ways, pool.map(lambda way: connects(*way), ways.values()), strict=True))

    assert all(seen().values())
    faults.cut(namespace, "server", direction)
    let_pass = {each for each, passes in seen().items() if passes}
    assert let_pass == {"kubelet to pod", "pod to itself", "others"}
    faults.heal(namespace, "server")
    assert all(seen().values())


def test_the_last_cut_of_a_pod_counts(sandbox: Sandbox, namespace: str, faults: Faults) -> None:
    start(sandbox, namespace, {"server": SLEEP})
    for direction, sets in (("both", "deaf+mute"), ("in", "deaf"), ("out", "mute"), ("closed", "closed")):
        faults.cut(namespace, "server", direction)
        assert active(faults, namespace) == [f"network of {namespace}/server ({sets}) is cut off"]
    sandbox.kube.delete("v1", "Pod", "server", namespace)
    objects.wait_until(lambda: sandbox.kube.get("v1", "Pod", "server", namespace) is None, "the pod's end")
    faults.heal(namespace, "server")
    assert active(faults, namespace) == []


def test_a_kill_from_outside_reaches_what_ignores_it_inside(
    sandbox: Sandbox, namespace: str, faults: Faults
) -> None:
    start(sandbox, namespace, {"target": BEAT})
    before = faults.pid(namespace, "target", "main")
    sandbox.kubectl("-n", namespace, "exec", "target", "--", "sh", "-c", "kill -9 1")
    assert faults.pid(namespace, "target", "main") == before
    for times in (1, 2, 3):
        faults.kill(namespace, "target", "main")
        objects.wait_until(
            lambda times=times: restarts(sandbox, namespace, "target") == times, f"restart {times}"
        )
        objects.wait_ready(sandbox.kube, namespace, "target")
    assert faults.pid(namespace, "target", "main") != before


def test_many_pods_are_killed_at_once(sandbox: Sandbox, namespace: str, faults: Faults) -> None:
    pods = ["one", "two", "three"]
    start(sandbox, namespace, dict.fromkeys([*pods, "bystander"], BEAT))
    faults.kill_pods(namespace, pods)
    for pod in pods:
        objects.wait_until(lambda pod=pod: restarts(sandbox, namespace, pod) == 1, f"the restart of {pod}")
    assert restarts(sandbox, namespace, "bystander") == 0


def test_a_frozen_container_does_nothing_until_it_is_resumed(
    sandbox: Sandbox, namespace: str, faults: Faults
) -> None:
    start(sandbox, namespace, {"target": BEAT})
    beat = Path(f"/proc/{faults.pid(namespace, 'target', 'main')}/root/tmp/beat")
    objects.wait_until(beat.exists, "the first beat")
    faults.stop(namespace, "target", "main")
    assert active(faults, namespace) == [f"{namespace}/target/main is frozen"]
    frozen = beat.read_text(encoding="utf-8")
    time.sleep(QUIET)
    assert beat.read_text(encoding="utf-8") == frozen
    faults.resume(namespace, "target", "main")
    assert active(faults, namespace) == []
    objects.wait_until(lambda: beat.read_text(encoding="utf-8") not in (frozen, ""), "the container to go on")
    assert restarts(sandbox, namespace, "target") == 0


def test_a_program_runs_in_a_pods_network(sandbox: Sandbox, namespace: str, faults: Faults) -> None:
    start(sandbox, namespace, {"target": SLEEP})
    address = objects.status_of(sandbox.kube, namespace, "target")["podIP"]
    assert address in faults.run_inside(namespace, "target", "main", ["ip", "address"]).stdout
    assert faults.run_inside(namespace, "target", "main", ["sh", "-c", "exit 7"]).returncode == 7


def test_what_is_not_there_is_named(sandbox: Sandbox, namespace: str, faults: Faults) -> None:
    start(sandbox, namespace, {"target": SLEEP})
    with pytest.raises(UserError, match=f"No container valkey runs in pod {namespace}/target") as caught:
        faults.kill(namespace, "target")
    assert f"{namespace}/target/main" in caught.value.hint
    with pytest.raises(UserError, match=f"No pod {namespace}/absent runs"):
        faults.cut(namespace, "absent", "both")
    with pytest.raises(UserError, match=f"No pod {namespace}/absent runs"):
        faults.kill_pods(namespace, ["target", "absent"])
    assert restarts(sandbox, namespace, "target") == 0
