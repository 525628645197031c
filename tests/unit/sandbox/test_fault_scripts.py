"""Finding containers on disk, the scripts of cuts, and who may heal what."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox import containers, faults, host, process
from filewallball.sandbox.containers import Containers

TASKS = Path("run/containerd/io.containerd.runtime.v2.task/k8s.io")


class Machine:
    """What a sandbox with pods looks like on disk; its processes are ours."""

    def __init__(self, folder: Path) -> None:
        self.root, self.groups = folder / "root", folder / "cgroup"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.containers = Containers(self.root, self.groups)

    def process(self) -> int:
        self.processes.append(subprocess.Popen(["sleep", "600"]))
        return self.processes[-1].pid

    def container(self, identifier: str, pod: str, name: str, pids: list[int], sandbox: str = "") -> None:
        notes = {
            "io.kubernetes.cri.sandbox-id": sandbox or f"{pod}-sandbox",
            "io.kubernetes.cri.sandbox-name": pod,
            "io.kubernetes.cri.sandbox-namespace": "ns",
            **({"io.kubernetes.cri.container-name": name} if name else {}),
        }
        group = f"/fwb-x/kubepods/{identifier}"
        task = self.root / TASKS / identifier
        task.mkdir(parents=True)
        (task / "config.json").write_text(json.dumps({"annotations": notes, "linux": {"cgroupsPath": group}}))
        folder = self.groups / group.lstrip("/")
        folder.mkdir(parents=True)
        (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def address(self, sandbox: str, address: str) -> None:
        file = self.root / "run/cni/results" / f"filewallball-{sandbox}-eth0"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"result": {"ips": [{"address": f"{address}/24"}]}}))

    def state(self, pid: int) -> str:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    for each in found.processes:
        each.kill()
        each.wait()


def test_a_container_is_found_with_its_processes_the_first_one_first(machine: Machine) -> None:
    first, second = machine.process(), machine.process()
    machine.container("p", "valkey-0", "", [machine.process()])
    machine.container("c", "valkey-0", "valkey", [second, first])
    machine.container("d", "valkey-0", "agent", [machine.process()])
    assert machine.containers.running("ns", "valkey-0", "valkey").processes() == [first, second]
    found = machine.containers.of_pod("ns", "valkey-0")
    assert {each.name for each in found} == {"valkey", "agent"}


def test_of_two_containers_of_one_name_the_one_that_lives_is_meant(machine: Machine) -> None:
    machine.container("old", "valkey-0", "valkey", [machine.process()])
    machine.processes[0].kill()
    machine.processes[0].wait()
    with pytest.raises(UserError, match="No container valkey runs in pod ns/valkey-0") as caught:
        machine.containers.running("ns", "valkey-0", "valkey")
    assert "ns/valkey-0/valkey" in caught.value.hint
    new = machine.process()
    machine.container("new", "valkey-0", "valkey", [new])
    assert machine.containers.running("ns", "valkey-0", "valkey").processes() == [new]


def test_of_a_pod_that_was_replaced_the_newer_is_meant(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clocks tick a hundred times a second: the order of starts is given here."""
    old, new = machine.process(), machine.process()
    machine.container("b", "valkey-0", "", [new], sandbox="s2")
    machine.container("a", "valkey-0", "", [old], sandbox="s1")
    monkeypatch.setattr(containers, "_started", {old: 1, new: 2}.__getitem__)
    assert machine.containers.pod("ns", "valkey-0").sandbox_id == "s2"


def test_a_pod_and_a_namespace_that_are_not_there_are_named(machine: Machine) -> None:
    with pytest.raises(UserError, match="No pod ns/valkey-0 runs") as caught:
        machine.containers.pod("ns", "valkey-0")
    assert "none in namespace ns" in caught.value.hint


def test_the_address_is_what_the_network_plugin_recorded(machine: Machine) -> None:
    machine.container("p", "valkey-0", "", [machine.process()])
    with pytest.raises(UserError, match="has no address of its own"):
        machine.containers.address("ns", "valkey-0")
    machine.address("valkey-0-sandbox", "10.244.0.7")
    assert machine.containers.address("ns", "valkey-0") == "10.244.0.7"


def test_what_kubernetes_did_not_start_is_no_container(machine: Machine, tmp_path: Path) -> None:
    assert containers.parse('{"annotations": {}, "linux": {"cgroupsPath": "/x"}}', tmp_path) is None
    task = machine.root / TASKS / "ending"
    task.mkdir(parents=True)
    assert machine.containers.all() == [], "its configuration is gone already"


def test_a_frozen_process_is_seen(machine: Machine) -> None:
    pid = machine.process()
    machine.container("c", "valkey-0", "valkey", [pid])
    container = machine.containers.running("ns", "valkey-0", "valkey")
    assert container.stopped() == []
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while machine.state(pid) != "T" and time.monotonic() < deadline:
        os.sched_yield()
    assert container.stopped() == [pid]


def test_a_container_is_frozen_only_when_each_of_its_processes_has_stopped(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = [machine.process(), machine.process()]
    machine.container("c", "valkey-0", "valkey", pids)
    container = machine.containers.running("ns", "valkey-0", "valkey")
    send = os.kill
    late = [threading.Timer(0.1 * nth, send, [pid, signal.SIGSTOP]) for nth, pid in enumerate(pids, 1)]
    # As on a busy machine: the call returns, and its signal takes effect later.
    monkeypatch.setattr(os, "kill", lambda pid, _number: late[pids.index(pid)].start())
    faults.freeze(container)
    assert container.stopped() == pids
    assert not container.at_work()


def test_processes_that_do_not_stop_are_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.container("c", "valkey-0", "valkey", [machine.process()])
    monkeypatch.setattr(os, "kill", lambda *_: None)
    monkeypatch.setattr(faults, "FREEZE_LIMIT", 0)
    with pytest.raises(UserError, match="ns/valkey-0/valkey still runs 0 s after SIGSTOP"):
        faults.freeze(machine.containers.running("ns", "valkey-0", "valkey"))


def test_a_parent_that_waits_for_its_stopped_child_goes_on_with_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, child = machine.process(), machine.process()
    machine.container("c", "valkey-0", "valkey", [parent, child])
    container = machine.containers.running("ns", "valkey-0", "valkey")
    states = {parent: "D", child: "T"}  # as with vfork: the parent's SIGSTOP is still before it
    monkeypatch.setattr(containers, "_stat", lambda pid: [states[pid], *["0"] * 20])
    monkeypatch.setattr(faults.Containers, "of", lambda _supervisor: machine.containers)
    resumed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, _number: resumed.append(pid))
    assert not container.at_work()
    faults.thaw(process.Identity(os.getpid(), "", ""))
    assert sorted(resumed) == sorted([parent, child])
    states[child] = "D"
    assert container.at_work(), "nothing is stopped yet"


@pytest.mark.parametrize(
    ("direction", "sets"), [("both", "deaf mute"), ("in", "deaf"), ("out", "mute"), ("closed", "closed")]
)
def test_a_cut_replaces_an_earlier_one(direction: faults.Direction, sets: str) -> None:
    lines = faults.cut_script("10.244.0.7", "ns/valkey-0", direction).splitlines()
    for each in ("deaf", "mute", "closed"):
        removal = f"delete element ip fwb-faults {each} {{ 10.244.0.7 }}"
        added = f"add element ip fwb-faults {each} {{ 10.244.0.7 timeout 900s"
        later = [line for line in lines[lines.index(removal) :] if line.startswith(added)]
        assert bool(later) == (each in sets.split())


def test_cuts_are_read_from_the_listing() -> None:
    def element(address: str, owner: str) -> dict[str, object]:
        return {"elem": {"val": address, "timeout": 900, "expires": 800, "comment": owner}}

    listing = {
        "nftables": [
            {"metainfo": {"version": "1.0.6"}},
            {"table": {"family": "ip", "name": "fwb-faults"}},
            {"set": {"name": "deaf", "elem": [element("10.244.0.7", "ns/a"), element("10.244.0.8", "ns/b")]}},
            {"set": {"name": "mute", "elem": [element("10.244.0.7", "ns/a")]}},
            {"set": {"name": "empty"}},
        ]
    }
    assert faults.cuts_in(json.dumps(listing)) == {
        "ns/a": {"10.244.0.7": {"deaf", "mute"}},
        "ns/b": {"10.244.0.8": {"deaf"}},
    }


def test_without_a_sandbox_nothing_can_be_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path))
    monkeypatch.setattr(host, "check", lambda: None)
    with pytest.raises(UserError, match="sandbox absent does not run") as caught:
        faults.Faults("absent")
    assert caught.value.hint == "Run `fwb sandbox up --name absent`."
    assert not paths.sandbox_dir("absent").exists()


class Present:
    """A program with faults in place, of which only the lock is real."""

    left = ("network of ns/a is cut off",)

    def __init__(self, _sandbox: str) -> None:
        self.healed = False

    def active(self) -> list[str]:
        return list(self.left)

    def heal_all(self) -> None:
        self.healed = True

    def close(self) -> None:
        assert self.healed == bool(self.left)


def test_faults_are_healed_once_their_program_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path))
    monkeypatch.setattr(faults, "Faults", Present)
    lock = paths.sandbox_dir("x") / "faults.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as program:
        fcntl.flock(program, fcntl.LOCK_SH)
        assert faults.heal_abandoned("x") == []
    assert faults.heal_abandoned("x") == list(Present.left)
    monkeypatch.setattr(Present, "left", ())
    assert faults.heal_abandoned("x") == []
