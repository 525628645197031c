"""Other machines than this one, by their /proc and /sys: containers, old kernels, hybrid cgroups.

The files are recorded ones, shortened: nothing here ran on such a machine. What can be produced on the
machine of the tests is tried for real in tests/e2e/sandbox/test_sandbox_host.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from filewallball.sandbox import machine
from filewallball.sandbox.machine import Machine

ALL = "000001ffffffffff"
DOCKER_DEFAULT = "00000000a80425fb"
CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc\n"

UNIFIED = (
    "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
)
ROOT = "25 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
DOCKER_ROOT = (
    "1021 873 0:88 / / rw,relatime master:401 - overlay overlay "
    "rw,lowerdir=/var/lib/docker/overlay2/l/AA:/var/lib/docker/overlay2/l/BB,upperdir=/u/diff,workdir=/u/work\n"
)
DOCKER_PRIVILEGED = f"{DOCKER_ROOT}1032 1031 0:30 / /sys/fs/cgroup rw,nosuid,relatime - cgroup2 cgroup rw\n"
DOCKER_PLAIN = f"{DOCKER_ROOT}1032 1031 0:30 / /sys/fs/cgroup ro,nosuid,relatime - cgroup2 cgroup rw\n"
V1 = "".join(
    f"{30 + number} 29 0:{30 + number} / /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
    for number, name in enumerate(["cpu,cpuacct", "cpuset", "memory", "pids", "devices"])
)
HYBRID = f"{V1}40 29 0:40 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID_MEMORY_IN_V2 = "".join(each for each in HYBRID.splitlines(keepends=True) if "/memory" not in each)


def write(root: Path, files: Mapping[str, str]) -> Machine:
    """A machine with these files on top of those of a usual one."""
    usual = {
        "dev/kmsg": "",
        "proc/meminfo": "MemTotal:       16316412 kB\nMemFree:         1016412 kB\n",
        "proc/self/mountinfo": ROOT + UNIFIED,
        "proc/self/status": f"Name:\tfwb\nCapEff:\t{ALL}\nSeccomp:\t0\n",
        "proc/self/uid_map": "         0          0 4294967295\n",
        "proc/sys/kernel/osrelease": "6.1.0-13-amd64\n",
        "sys/fs/cgroup/cgroup.controllers": CONTROLLERS,
    }
    for name, content in {**usual, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return Machine(root)


def found(root: Path, files: Mapping[str, str], state: str = "/var/lib/filewallball") -> str:
    """What is said of such a machine, as one text."""
    faults = machine.faults(write(root, files), Path(state), Path("/root/.cache/filewallball"))
    for each in faults:
        for sentence in (each.problem, each.advice):
            assert sentence[0].isupper() or sentence.startswith(("0", "1")), sentence
            assert sentence.endswith("."), sentence
    return "\n".join(f"{each.problem} {each.advice}" for each in faults)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="Debian 12"),
        pytest.param({"proc/self/mountinfo": DOCKER_PRIVILEGED, ".dockerenv": ""}, id="privileged container"),
        pytest.param({"proc/self/mountinfo": ROOT + V1}, id="version 1"),
        pytest.param(
            {"proc/self/mountinfo": ROOT + HYBRID, "sys/fs/cgroup/unified/cgroup.controllers": "\n"},
            id="hybrid",
        ),
        pytest.param({"sys/fs/cgroup/cgroup.type": "domain\n"}, id="a group of its own"),
        pytest.param({"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"}, id="WSL 2"),
        pytest.param({"proc/sys/kernel/osrelease": "6.18.1\n"}, id="a kernel of one's own"),
        pytest.param({"sys/fs/cgroup/memory.max": "max\n"}, id="no limit"),
        pytest.param({"proc/swaps": "Filename Type Size\n/swapfile file 4194300\n"}, id="swap is on"),
    ],
)
def test_nothing_is_said_of_machines_that_can_host_one(tmp_path: Path, files: dict[str, str]) -> None:
    assert found(tmp_path, files) == ""


@pytest.mark.parametrize(
    ("files", "problem", "advice"),
    [
        pytest.param(
            {"proc/self/mountinfo": DOCKER_PLAIN, ".dockerenv": ""},
            "The cgroups at /sys/fs/cgroup are mounted read-only.",
            "--privileged",
            id="cgroups read-only",
        ),
        pytest.param(
            {"proc/self/status": f"CapEff:\t{DOCKER_DEFAULT}\n"},
            "Root lacks the capabilities CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN",
            "--privileged",
            id="not privileged",
        ),
        pytest.param(
            {"proc/self/uid_map": "         0       1000          1\n         1     100000      65536\n"},
            "root of a user namespace only",
            "whose engine runs as root",
            id="rootless",
        ),
        pytest.param(
            {"proc/self/mountinfo": ROOT}, "No cgroups are mounted.", "mount -t cgroup2", id="no cgroups"
        ),
        pytest.param(
            {"sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n", "run/.containerenv": ""},
            "no cgroup controller for cpuset",
            "Delegate=yes",
            id="not delegated",
        ),
        pytest.param(
            {
                "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io pids\n",
                "proc/cgroups": "#subsys_name hierarchy num_cgroups enabled\ncpu 0 1 1\nmemory 0 62 0\n",
            },
            "no cgroup controller for memory",
            "cgroup_enable=memory",
            id="memory switched off at boot",
        ),
        pytest.param(
            {
                "proc/self/mountinfo": ROOT + HYBRID_MEMORY_IN_V2,
                "sys/fs/cgroup/unified/cgroup.controllers": "memory\n",
            },
            "The cgroup controllers memory belong to version 2 here",
            "systemd.unified_cgroup_hierarchy=1",
            id="hybrid, memory in version 2",
        ),
        pytest.param(
            {"sys/fs/cgroup/cgroup.type": "domain threaded\n"},
            "of type `domain threaded`",
            "--cgroupns=private",
            id="threaded",
        ),
        pytest.param(
            {"proc/sys/kernel/osrelease": "5.4.0-216-generic\n"},
            "Linux 5.4.0-216-generic is too old",
            "newer kernel",
            id="old kernel",
        ),
        pytest.param(
            {"proc/sys/kernel/osrelease": "4.4.0-22621-Microsoft\n"},
            "too old",
            "wsl --set-version",
            id="WSL 1",
        ),
        pytest.param(
            {"proc/meminfo": "MemTotal:        1003412 kB\n"},
            "1.0 GiB of memory are too little",
            "--memory",
            id="memory",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory.max": "1073741824\n"},
            "1.0 GiB of memory are too little",
            "--memory",
            id="v2 limit",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n"},
            "0.5 GiB of memory",
            "--memory",
            id="v1 limit",
        ),
        pytest.param(
            {"proc/self/mountinfo": f"{ROOT}{UNIFIED}60 25 0:50 / /root rw,noexec - ext4 /dev/sdb rw\n"},
            "The cache of programs at /root/.cache/filewallball lies on a file system mounted noexec.",
            "FWB_CACHE",
            id="cache noexec",
        ),
        *[
            pytest.param(
                {"proc/self/mountinfo": f"{ROOT}{UNIFIED}60 25 0:50 / /var/lib rw - {kind} server:/x rw\n"},
                f"/var/lib/filewallball lies on {kind}",
                "FWB_STATE",
                id=f"state on {kind}",
            )
            for kind in ("nfs4", "cifs", "9p", "vboxsf", "fuse.sshfs")
        ],
        pytest.param(
            {"proc/self/mountinfo": f"{ROOT}{UNIFIED}60 25 0:50 / /var ro - squashfs /dev/loop1 ro\n"},
            "/var/lib/filewallball lies on a read-only file system.",
            "FWB_STATE",
            id="state read-only",
        ),
    ],
)
def test_what_rules_a_sandbox_out_is_named(
    tmp_path: Path, files: dict[str, str], problem: str, advice: str
) -> None:
    said = found(tmp_path, files)
    assert problem in said
    assert advice in said
    assert said.count("\n") == 0, "one fault is told once"


def test_without_kmsg_the_kubelet_would_not_start(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / "dev" / "kmsg").unlink()
    faults = machine.faults(Machine(tmp_path), Path("/var/lib/x"), Path("/root"))
    assert [each.problem for each in faults] == [
        "There is no /dev/kmsg, and the kubelet doesn't start without it."
    ]
    assert "--device /dev/kmsg" in faults[0].advice


@pytest.mark.parametrize("kind", ["zfs", "btrfs", "tmpfs", "xfs", "overlay"])
def test_local_file_systems_are_left_to_be_tried(tmp_path: Path, kind: str) -> None:
    """Overlays on some of them are refused, depending on the kernel; see test_host_trials.py."""
    table = f"{ROOT}{UNIFIED}60 25 0:50 / /srv/fwb\\040state rw,nosuid,nodev - {kind} pool rw\n"
    assert found(tmp_path, {"proc/self/mountinfo": table}, state="/srv/fwb state/x") == ""


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    said = found(
        tmp_path,
        {
            "proc/self/mountinfo": DOCKER_PLAIN,
            "proc/self/status": f"CapEff:\t{DOCKER_DEFAULT}\n",
            "proc/sys/kernel/osrelease": "5.4.0\n",
        },
    )
    assert said.count("\n") == 2


def test_room_on_the_disk_is_summed_up_for_what_shares_it(tmp_path: Path) -> None:
    few = [(tmp_path / "a", 1, "state"), (tmp_path / "b", 1, "programs")]
    assert machine.disk_faults(few) == []
    half = 1 << 60
    (fault,) = machine.disk_faults([(tmp_path / "a", half, "state"), (tmp_path / "b", half, "programs")])
    assert "for state" in fault.problem
    assert "for programs" in fault.problem
    assert "FWB_STATE" in fault.advice
