"""Cgroups, on trees that look like those of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.sandbox import cgroups
from filewallball.sandbox.cgroups import Hierarchy

HYBRID = """\
25 1 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
30 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
"""
UNIFIED = "29 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_all_hierarchies_are_cleared_though_version_2_beside_version_1_governs_nothing() -> None:
    everything = cgroups.hierarchies(HYBRID)
    assert [each.path.name for each in everything] == ["cpu,cpuacct", "memory", "systemd", "unified"]


def test_version_1_governs_with_its_controllers() -> None:
    found = cgroups.governing(cgroups.hierarchies(HYBRID))
    assert [each.path.name for each in found] == ["cpu,cpuacct", "memory", "systemd"]
    assert {"cpu", "cpuacct"} <= found[0].controllers
    assert cgroups.missing(found) == {"cpuset", "pids"}


def test_version_2_alone_is_one_hierarchy() -> None:
    assert cgroups.governing(cgroups.hierarchies(UNIFIED)) == [
        Hierarchy(Path("/sys/fs/cgroup"), 2, frozenset())
    ]


@pytest.mark.parametrize(
    ("offered", "lacking"),
    [("cpuset cpu io memory hugetlb pids", set[str]()), ("cpu memory pids", {"cpuset"})],
)
def test_version_2_says_which_controllers_it_offers(tmp_path: Path, offered: str, lacking: set[str]) -> None:
    (tmp_path / "cgroup.controllers").write_text(f"{offered}\n")
    assert cgroups.missing([Hierarchy(tmp_path, 2, frozenset())]) == lacking


def test_version_1_groups_inherit_processors_and_memory(tmp_path: Path) -> None:
    cpuset = Hierarchy(tmp_path, 1, frozenset({"cpuset"}))
    for folder in (tmp_path, tmp_path / "fwb-x", tmp_path / "fwb-x" / "system"):
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            (folder / file).write_text("\n")
    (tmp_path / "cpuset.cpus").write_text("0-3\n")
    (tmp_path / "cpuset.mems").write_text("0\n")

    assert cgroups.create("fwb-x", [cpuset]) == [tmp_path / "fwb-x" / "system"]

    assert (tmp_path / "fwb-x" / "system" / "cpuset.cpus").read_text() == "0-3\n"
    assert (tmp_path / "fwb-x" / "system" / "cpuset.mems").read_text() == "0\n"


def test_version_2_delegates_controllers_down_to_the_pods(tmp_path: Path) -> None:
    groups = cgroups.create("fwb-x", [Hierarchy(tmp_path, 2, frozenset())])
    assert groups == [tmp_path / "fwb-x" / "system"]
    # The kernel's file would show all that is on; ours shows what was written last.
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory +pids"
    assert (tmp_path / "fwb-x" / "cgroup.subtree_control").read_text() == "+cpuset +cpu +memory +pids"


@pytest.mark.parametrize(("version", "file", "usual"), [(1, "cpu.shares", "1024"), (2, "cpu.weight", "100")])
def test_what_runs_the_cluster_yields_to_pods_for_a_while(
    tmp_path: Path, version: int, file: str, usual: str
) -> None:
    found = [Hierarchy(tmp_path, version, frozenset())]
    [system] = cgroups.create("fwb-x", found)
    (system / file).write_text(usual)
    with cgroups.yielding("fwb-x", found):
        assert int((system / file).read_text()) <= int(usual) / 4
    assert (system / file).read_text() == usual
    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with cgroups.yielding("fwb-x", found):
            raise KeyboardInterrupt
    assert (system / file).read_text() == usual
    assert not (tmp_path / "fwb-x" / file).exists(), "the sandbox as a whole yields to nobody"


def test_hierarchies_without_processors_share_none(tmp_path: Path) -> None:
    found = [Hierarchy(tmp_path, 1, frozenset({"memory"}))]
    [system] = cgroups.create("fwb-x", found)
    with cgroups.yielding("fwb-x", found):
        assert list(system.iterdir()) == []


def test_removal_goes_bottom_up_and_names_what_stays(tmp_path: Path) -> None:
    found = [Hierarchy(tmp_path, 1, frozenset({"memory"}))]
    (tmp_path / "fwb-x" / "kubepods" / "pod1").mkdir(parents=True)
    assert cgroups.remove("fwb-x", found) == []
    assert not (tmp_path / "fwb-x").exists()
    assert cgroups.remove("fwb-x", found) == []

    busy = tmp_path / "fwb-x" / "busy"
    busy.mkdir(parents=True)
    (busy / "held").touch()  # here a file keeps the directory, as a process does there
    assert cgroups.remove("fwb-x", found) == [busy, tmp_path / "fwb-x"]
