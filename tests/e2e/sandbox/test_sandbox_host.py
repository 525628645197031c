"""The host check against the kernel: what can be refused here is refused, and told. No sandbox runs.

Other machines' refusals are recorded: see tests/unit/sandbox/test_host_machines.py and test_host_trials.py.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from filewallball.sandbox import cgroups, machine, trials
from filewallball.sandbox.machine import Machine
from filewallball.sandbox.trials import Verdict


@contextlib.contextmanager
def mounted(kind: str, options: str, target: Path) -> Generator[Path]:
    target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, kind, str(target)], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


@contextlib.contextmanager
def overlay(folder: Path) -> Generator[Path]:
    for name in ("lower", "upper", "work"):
        (folder / name).mkdir()
    options = ",".join(f"{name}dir={folder / name}" for name in ("lower", "upper", "work"))
    with mounted("overlay", options, folder / "merged") as target:
        yield target


def test_this_machine_can_host_a_sandbox_and_nothing_stays_behind(tmp_path: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    assert machine.faults(Machine(), tmp_path, tmp_path) == []
    assert trials.run(tmp_path, Machine()) == Verdict([], "overlayfs")
    assert list(tmp_path.iterdir()) == []
    assert Path("/proc/self/mountinfo").read_text(encoding="utf-8") == before


def test_upon_an_overlay_images_are_copied(tmp_path: Path) -> None:
    with overlay(tmp_path) as state:
        verdict = trials.run(state, Machine())
    assert (verdict.faults, verdict.snapshotter) == ([], "native")
    assert "lies on overlayfs" in verdict.note


@pytest.mark.parametrize("options", ["size=16m", "size=16m,nosuid,nodev,noexec"])
def test_a_state_in_memory_will_do(tmp_path: Path, options: str) -> None:
    """Mounted noexec as well: containers run their programs from an overlay."""
    with mounted("tmpfs", options, tmp_path / "state") as state:
        assert trials.run(state, Machine()) == Verdict([], "overlayfs")


def test_a_read_only_state_is_refused(tmp_path: Path) -> None:
    with mounted("tmpfs", "size=1m,ro", tmp_path / "state") as state:
        (fault,) = machine.faults(Machine(), state, tmp_path)
        assert "read-only" in fault.problem
        (fault,) = trials.run(state, Machine()).faults
        assert "can't be written" in fault.problem


def test_a_kernel_that_refuses_the_rules_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is a stand-in's, in the words of a kernel without fib."""
    refuse = "#!/bin/sh\necho '/dev/stdin:16:5-23: Error: Could not process rule: No such file' >&2; exit 1\n"
    (tmp_path / "nft").write_text(refuse)
    (tmp_path / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (fault,) = trials.run(tmp_path, Machine()).faults
    assert "The kernel refuses the nftables rules" in fault.problem


LOOK = """
import sys
from pathlib import Path
from filewallball.sandbox import machine, trials
found = machine.faults(machine.Machine(), Path(sys.argv[1]), Path(sys.argv[1]))
found = found or trials.run(Path(sys.argv[1]), machine.Machine()).faults
print(*[each.problem for each in found], sep="\\n")
"""


@pytest.mark.parametrize(
    ("wrapper", "said"),
    [
        (
            ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-all"],
            "lacks the capabilities CAP_SYS_ADMIN",
        ),
        (["unshare", "--user", "--map-root-user"], "root of a user namespace only"),
        (
            ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /dev; exec "$@"', "sh"],
            "There is no /dev/kmsg",
        ),
        (
            ["unshare", "--mount", "sh", "-c", 'umount -l /sys/fs/cgroup; exec "$@"', "sh"],
            "No cgroups are mounted.",
        ),
    ],
    ids=["no-capability", "user-namespace", "no-kmsg", "no-cgroups"],
)
def test_a_machine_with_less_is_told_what_it_lacks(tmp_path: Path, wrapper: list[str], said: str) -> None:
    command = [*wrapper, sys.executable, "-c", LOOK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in done.stdout, done.stderr


def test_processes_in_the_way_of_controllers_are_moved(tmp_path: Path) -> None:
    """The rule of version 2 that keeps a container from passing on what it has, on this very kernel."""
    hierarchy = next(each for each in cgroups.mounted() if each.version == 2)
    (controller, *_) = sorted(cgroups.offered(hierarchy) - {"cpu", "pids"}) or pytest.skip(
        "all of this machine's controllers belong to version 1"
    )
    was_on = controller in (hierarchy.path / "cgroup.subtree_control").read_text().split()
    cgroups.turn_on(hierarchy.path, [controller])
    group = hierarchy.path / f"fwb-test-{os.getpid()}"
    group.mkdir()
    try:
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                (group / "cgroup.procs").write_text(str(process.pid))
                with pytest.raises(OSError, match=r"busy|not supported"):
                    (group / "cgroup.subtree_control").write_text(f"+{controller}")

                cgroups.turn_on(group, [controller])

                assert (group / "cgroup.subtree_control").read_text().split() == [controller]
                assert (group / "init" / "cgroup.procs").read_text().split() == [str(process.pid)]
            finally:
                process.kill()
    finally:
        (group / "init").rmdir()
        group.rmdir()
        if not was_on:
            (hierarchy.path / "cgroup.subtree_control").write_text(f"-{controller}")
