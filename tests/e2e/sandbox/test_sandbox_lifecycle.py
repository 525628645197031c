"""Up, down and back, also after accidents. These tests break things, so they have a sandbox of their own.

They share it, since a start costs ten seconds: each brings it up if it isn't, and may leave it up or down.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cluster_objects as objects
import pytest
from shared_sandbox import Sandbox

from filewallball import paths
from filewallball.errors import UserError
from filewallball.kube import Kube
from filewallball.sandbox import cgroups, cluster, faults, images, process
from filewallball.sandbox.progress import Progress


@pytest.fixture(scope="module")
def machine_before() -> str:
    """The machine's network as it was before the first test."""
    return network_state()


@pytest.fixture(scope="module")
def name(worker_id: str, machine_before: str) -> Iterator[str]:
    """The name of a sandbox that no other file or worker uses; gone at the end, whatever happened to it."""
    yield f"e2e-own-{worker_id}"
    cluster.down(f"e2e-own-{worker_id}", purge=True)


def traces(name: str) -> list[str]:
    """What this machine shows of a running sandbox: processes, cgroups, mounts, network."""
    found = [
        f"cgroup {each.path / f'fwb-{name}'}"
        for each in cgroups.mounted()
        if (each.path / f"fwb-{name}").exists()
    ]
    directory = str(paths.sandbox_dir(name))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if directory in line:
                found.append(f"process {entry.name}: {line[:100]}")
    found += [
        line
        for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        if directory in line
    ]
    return found


def network_state() -> str:
    """Interfaces, addresses, routes and packet filter rules of the machine, without counters."""
    commands = [["ip", "-o", "link"], ["ip", "-o", "address"], ["ip", "route", "show", "table", "all"]]
    shown = [subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in commands]
    rules = subprocess.run(
        ["nft", "-s", "list", "ruleset"], capture_output=True, text=True, check=True
    ).stdout
    # Other tests' sandboxes come and go; theirs are named.
    ours = [
        line for line in "\n".join([*shown, rules]).splitlines() if not re.search(r"\bfwb\d|10\.213\.", line)
    ]
    return "\n".join(ours)


def config_map(kubeconfig: Path, name: str) -> dict[str, str] | None:
    with Kube.connect(kubeconfig, None) as kube:
        found = kube.get("v1", "ConfigMap", name, "default")
    return found["data"] if found else None


def create_config_map(kubeconfig: Path, name: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}
    with Kube.connect(kubeconfig, None) as kube:
        kube.create({**manifest, "data": {"key": "value"}})


@pytest.mark.nightly  # by day one is killed outright that is up
@pytest.mark.parametrize("file", ["pid", "images.json"])
def test_up_continues_after_an_up_that_was_killed(name: str, file: str) -> None:
    """`file` is what the interrupted run writes last: the sandbox's start, or its first image."""
    cluster.down(name, purge=True)
    first = subprocess.Popen([sys.executable, "-m", "filewallball.cli", "sandbox", "up", "--name", name])
    objects.wait_until(lambda: (paths.sandbox_dir(name) / file).exists(), f"the first run to write {file}")
    first.kill()
    first.wait()
    assert not cluster.status(name).ready

    cluster.up(name)
    assert cluster.status(name).ready


def test_a_second_up_changes_nothing(name: str) -> None:
    cluster.up(name)
    directory = paths.sandbox_dir(name)

    def seen() -> tuple[object, ...]:
        files = ("process.json", "status.json", "plan.json", "kubeconfig", "ready")
        return process.running(directory), *[(directory / each).stat().st_mtime_ns for each in files]

    before = seen()
    cluster.up(name)
    assert seen() == before
    assert cluster.status(name).ready


LEAVE_FAULTS = """
import os, sys
from filewallball.sandbox.faults import Faults
faults = Faults(sys.argv[1])
faults.stop("default", "target", "main")
faults.cut("default", "target", "both")
print("done", flush=True)
sys.stdin.read()
os._exit(9)
"""


def test_up_ends_the_faults_of_a_program_once_it_is_gone(name: str) -> None:
    kubeconfig = cluster.up(name)
    images.ensure(name, [objects.BUSYBOX])
    with Kube.connect(kubeconfig, None) as kube:
        objects.create_pod(kube, "default", "target", ["busybox", "sleep", "3600"])
        objects.wait_ready(kube, "default", "target")
    command = [sys.executable, "-c", LEAVE_FAULTS, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "done\n"
        cluster.up(name)
        with contextlib.closing(faults.Faults(name)) as seen:
            assert len(seen.active()) == 2, "they are its own while it runs"

    cluster.up(name)

    with contextlib.closing(faults.Faults(name)) as seen:
        assert seen.active() == []
        seen.stop("default", "target", "main")
        seen.cut("default", "target", "both")
        seen.heal_all("default")
    with Kube.connect(kubeconfig, None) as kube:
        kube.delete("v1", "Pod", "target", "default")


@pytest.fixture
def on_overlay(worker_id: str, tmp_path: Path) -> Iterator[str]:
    """The name of a sandbox whose state lies on an overlay, as in a container without a volume."""
    name = f"e2e-overlay-{worker_id}"
    directory = paths.sandbox_dir(name)
    for each in (directory, tmp_path / "upper", tmp_path / "work"):
        each.mkdir(parents=True)
    options = f"lowerdir={directory},upperdir={tmp_path / 'upper'},workdir={tmp_path / 'work'}"
    subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", str(directory)], check=True)
    try:
        yield name
        cluster.down(name)
    finally:
        subprocess.run(["umount", str(directory)], check=True)
        directory.rmdir()


@pytest.mark.nightly  # by day the choice alone is tested: test_upon_an_overlay_images_are_copied
def test_one_where_the_kernel_makes_no_overlays(on_overlay: str) -> None:
    said: list[str] = []
    kubeconfig = cluster.up(on_overlay, Progress(said.append))
    assert len([each for each in said if "lies on overlayfs" in each]) == 1
    images.ensure(on_overlay, [objects.BUSYBOX])
    with Kube.connect(kubeconfig, None) as kube:
        objects.create_pod(kube, "default", "pod", ["busybox", "sleep", "3600"])
        objects.wait_ready(kube, "default", "pod")


def test_two_side_by_side(sandbox: Sandbox, name: str) -> None:
    kubeconfig = cluster.up(name)
    ours, theirs = cluster.status(name), cluster.status(sandbox.name)
    assert ours.ready
    assert theirs.ready
    assert ours.address != theirs.address
    create_config_map(kubeconfig, f"only-{name}")
    assert config_map(sandbox.kubeconfig, f"only-{name}") is None


def test_killed_outright_it_ends_at_once_and_up_recovers(name: str) -> None:
    kubeconfig = cluster.up(name)
    create_config_map(kubeconfig, "kept")
    identity = process.running(paths.sandbox_dir(name))
    assert identity is not None

    os.kill(identity.pid, signal.SIGKILL)

    objects.wait_until(lambda: not identity.alive(), "the supervisor to end")
    objects.wait_until(
        lambda: not any(each.startswith("process") for each in traces(name)), "its programs to end with it"
    )
    assert not cluster.status(name).ready
    assert cluster.up(name) == kubeconfig
    assert config_map(kubeconfig, "kept") == {"key": "value"}


def test_down_leaves_nothing_and_up_brings_the_data_back(
    sandbox: Sandbox, name: str, machine_before: str
) -> None:
    kubeconfig = cluster.up(name)
    images.ensure(name, [objects.BUSYBOX])
    with Kube.connect(kubeconfig, None) as kube:
        objects.create_claim(kube, "default", "data", "1Gi")
        script = "[ -e /data/file ] || echo $HOSTNAME > /data/file; exec busybox sleep 3600"
        manifest = objects.pod("default", "keeper", ["sh", "-c", script], claim="data", user=999)
        manifest["spec"]["restartPolicy"] = "Always"
        objects.wait_until(
            lambda: kube.get("v1", "ServiceAccount", "default", "default") is not None, "service accounts"
        )
        kube.create(manifest)
        objects.wait_ready(kube, "default", "keeper")
        volume = (kube.get("v1", "PersistentVolumeClaim", "data", "default") or {})["spec"]["volumeName"]
    assert traces(name)

    cluster.down(name)

    assert traces(name) == []
    assert network_state() == machine_before
    assert cluster.status(sandbox.name).ready, "the other one goes on"
    file = paths.sandbox_dir(name) / "volumes" / volume / "file"
    assert file.read_text() == "keeper\n"

    assert cluster.up(name) == kubeconfig
    with Kube.connect(kubeconfig, None) as kube:
        objects.wait_ready(kube, "default", "keeper")
        status = objects.status_of(kube, "default", "keeper")
        assert status["containerStatuses"][0]["restartCount"] == 1
    assert file.read_text() == "keeper\n"

    cluster.down(name, purge=True)
    assert not paths.sandbox_dir(name).exists()
    assert traces(name) == []


def test_a_program_that_keeps_dying_is_named_with_its_log(name: str) -> None:
    cluster.down(name, purge=True)
    directory = paths.sandbox_dir(name)
    (directory / "etcd").mkdir(parents=True)
    (directory / "etcd" / "member").write_text("no directory")

    with pytest.raises(UserError) as caught:
        cluster.up(name)

    assert "etcd of sandbox" in caught.value.message
    assert "not a directory" in caught.value.message
    assert f"fwb sandbox down --purge --name {name}" in caught.value.hint
    cluster.down(name)
    assert traces(name) == []
