"""The plan of a sandbox's programs, and what the supervisor makes of it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from filewallball import paths
from filewallball.errors import ConfigError, UserError
from filewallball.sandbox import (
    certificates,
    cluster,
    configuration,
    host,
    process,
    programs,
    readiness,
    supervisor,
)
from filewallball.sandbox.programs import Node
from filewallball.sandbox.toolchain import Binaries


@pytest.fixture
def node(tmp_path: Path) -> Node:
    folder = tmp_path / "bin"
    folder.mkdir()
    control = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")
    for name in ("containerd", "etcd", "controllers", "ptp", *control):
        (folder / name).touch()
    return Node("x", tmp_path / "state", "10.213.0.2", Binaries(folder))


def test_the_plan_names_every_program_once_and_the_kubelet_last(node: Node) -> None:
    plan = programs.plan(node, [Path("/sys/fs/cgroup/fwb-x/system")])
    names = [each["name"] for each in plan["programs"]]
    assert len(set(names)) == len(names)
    assert names[-1] == "kubelet"
    assert plan["cgroups"] == ["/sys/fs/cgroup/fwb-x/system"]
    assert plan["address"] == "10.213.0.2/30"
    assert [each["name"] for each in plan["programs"] if each["reaches_out"]] == ["publisher"]
    assert json.loads(json.dumps(plan)) == plan


def test_memory_is_spared_unless_the_caller_spares_the_processor(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> set[str]:
        return {each["environment"]["GOGC"] for each in programs.plan(node, [])["programs"]}

    monkeypatch.delenv("GOGC", raising=False)
    assert found() == {"50"}
    monkeypatch.setenv("GOGC", "200")
    assert found() == {"200"}


def test_all_that_talk_to_the_api_server_wait_until_it_is_ready(node: Node) -> None:
    after = {each.name: each.after for each in programs.programs(node)}
    assert after["kube-apiserver"] == ["tcp:127.0.0.1:2379"]
    for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "controllers", "kubelet"):
        assert "https://10.213.0.2:6443/readyz" in after[name]


def test_the_kubelet_never_collects_images_that_cannot_be_pulled_again(node: Node) -> None:
    assert configuration.kubelet_configuration(node)["imageGCHighThresholdPercent"] == 100
    assert configuration.kubelet_configuration(node)["cgroupRoot"] == "/fwb-x"


def test_a_container_that_a_drill_kills_again_and_again_is_restarted_soon(node: Node) -> None:
    pause = configuration.kubelet_configuration(node)["crashLoopBackOff"]
    assert pause == {"maxContainerRestartPeriod": "1s"}


def test_kubeadm_gets_the_address_and_the_version(node: Node) -> None:
    init, kube = certificates.kubeadm_configuration(node)
    assert init["localAPIEndpoint"]["advertiseAddress"] == "10.213.0.2"
    assert kube["kubernetesVersion"] == "v1.36.3"


def test_conditions_hold_when_something_answers(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    assert not supervisor.answers(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as server, socket.socket() as listener:
        server.bind(str(path))
        server.listen()
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert supervisor.answers(f"unix:{path}")
        assert not supervisor.answers(f"tcp:127.0.0.1:{port}")
        listener.listen()
        assert supervisor.answers(f"tcp:127.0.0.1:{port}")


def test_a_dead_programs_log_is_shown(node: Node) -> None:
    (node.directory / "logs").mkdir(parents=True)
    (node.directory / "logs" / "etcd.log").write_text("a\nb\nbind: address in use\n")
    report = {"etcd": {"state": "dead", "starts": 3, "last_exit": 1, "after": []}}
    (node.directory / "status.json").write_text(json.dumps(report))
    with pytest.raises(UserError) as caught:
        readiness.fail_if_dying(node)
    assert "etcd of sandbox x has ended 3 times, last with exit code 1" in caught.value.message
    assert "bind: address in use" in caught.value.message
    report["etcd"]["state"] = "running"
    (node.directory / "status.json").write_text(json.dumps(report))
    readiness.fail_if_dying(node)


def test_what_the_cluster_remembers_from_before_does_not_count() -> None:
    def node(status: str, heartbeat: str) -> dict[str, object]:
        ready = {"type": "Ready", "status": status, "lastHeartbeatTime": heartbeat}
        return {"status": {"conditions": [ready]}}

    since = 1_800_000_000.5  # 2027-01-15T08:00:00.5Z
    assert readiness.node_ready(node("True", "2027-01-15T08:00:01Z"), since)
    assert not readiness.node_ready(node("True", "2027-01-15T07:59:59Z"), since)
    assert not readiness.node_ready(node("False", "2027-01-15T08:00:01Z"), since)
    assert not readiness.node_ready(None, since)

    def pod(state: dict[str, object]) -> dict[str, object]:
        return {"status": {"containerStatuses": [{"state": state}]}}

    assert readiness.is_stale(pod({"running": {"startedAt": "2027-01-15T07:00:00Z"}}), since)
    assert not readiness.is_stale(pod({"running": {"startedAt": "2027-01-15T08:00:02Z"}}), since)
    assert not readiness.is_stale(pod({"waiting": {}}), since)
    assert not readiness.is_stale({}, since)


def test_a_process_is_told_apart_from_a_later_one_of_its_number(tmp_path: Path) -> None:
    assert process.running(tmp_path) is None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    started = Path(f"/proc/{os.getpid()}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]

    def record(**changed: object) -> None:
        data = {"pid": os.getpid(), "started": started, "boot": boot, **changed}
        (tmp_path / "process.json").write_text(json.dumps(data))

    record()
    assert process.running(tmp_path) is not None
    for changed in ({"started": "1"}, {"boot": "before the reboot"}, {"pid": 2**22 + 1}):
        record(**changed)
        assert process.running(tmp_path) is None
    (tmp_path / "process.json").write_text("{half a fi")
    assert process.running(tmp_path) is None


@pytest.mark.parametrize("name", ["", "Upper", "a" * 33, "../etc", "-x", "x-", "a.b", "a/b"])
def test_names_that_can_name_no_sandbox(name: str) -> None:
    with pytest.raises(ConfigError, match="can't be the name of a sandbox"):
        cluster.up(name)


def test_a_sandbox_that_never_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path))
    found = cluster.status("nix")
    assert not found.exists
    assert not found.ready
    assert cluster.describe(found).splitlines()[0] == "sandbox nix: there is none"
    assert json.loads(cluster.describe(found, as_json=True))["running"] is False
    with pytest.raises(UserError, match="no sandbox nix"):
        cluster.kubeconfig("nix")
    cluster.down("nix", purge=True)


def test_a_machine_that_cannot_host_one_names_the_alternative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root") as caught:
        host.check()
    assert "filewallball:cluster: {context: NAME}" in caught.value.hint

    monkeypatch.setattr(host.sys, "platform", "darwin")
    with pytest.raises(UserError, match="needs Linux"):
        host.check()

    monkeypatch.undo()
    monkeypatch.setattr(host, "check", lambda: None)
    monkeypatch.setattr(host, "missing_packages", lambda: ["runc"])
    monkeypatch.setattr(host.shutil, "which", lambda *_args, **_more: None)
    with pytest.raises(UserError, match="lacks runc and has no apt-get"):
        host.prepare(host.Progress(lambda _line: None))


def test_where_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("FWB_CACHE", "XDG_CACHE_HOME", "FWB_STATE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", "/home/u")
    assert paths.cache_dir() == Path("/home/u/.cache/filewallball")
    assert paths.sandbox_kubeconfig("n") == Path("/var/lib/filewallball/sandbox/n/kubeconfig")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert paths.cache_dir() == Path("/xdg/filewallball")
    monkeypatch.setenv("FWB_CACHE", "/c")
    monkeypatch.setenv("FWB_STATE", "/s")
    assert paths.cache_dir() == Path("/c")
    assert paths.sandbox_dir("n") == Path("/s/sandbox/n")
