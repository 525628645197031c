"""What is made of the trials: for each refusal a sentence, and what to do. The refusals are recorded ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from filewallball import paths
from filewallball.errors import ConfigError
from filewallball.sandbox import host, images, machine, trial, trials
from filewallball.sandbox.machine import Fault, Machine
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.trials import Verdict

STATE = Path("/var/lib/filewallball")
NO_FIB = """nft: /dev/stdin:16:5-23: Error: Could not process rule: No such file or directory
    fib daddr type local ip daddr . meta l4proto . th dport vmap @services
    ^^^^^^^^^^^^^^^^^^^"""


def judged(root: Path, refused: dict[str, str], errors: str = "") -> Verdict:
    """The verdict where all but `refused` went well, on a machine with the files below `root`."""
    names = [each.__name__ for each in trial.TRIALS]
    assert set(refused) <= set(names)
    lines = [json.dumps({"name": each, "problem": refused.get(each, "")}) for each in names]
    return trials.judge("\n".join(lines), errors, STATE, Machine(root))


def files(root: Path, **content: str) -> None:
    for name, text in content.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_where_nothing_is_refused_the_kernel_makes_the_overlays(tmp_path: Path) -> None:
    assert judged(tmp_path, {}) == Verdict([], "overlayfs")


def test_every_trial_that_can_fail_has_its_sentence() -> None:
    names = {each.__name__ for each in trial.TRIALS}
    assert set(trials._PROBLEMS) == names - {"overlay"}


@pytest.mark.parametrize(
    ("name", "refusal", "problem", "advice"),
    [
        (
            "nft",
            NO_FIB,
            "Could not process rule: No such file or directory.",
            "modprobe --all nf_tables nft_fib_ipv4",
        ),
        ("nft", "nft: Unable to initialize Netlink socket: Protocol not supported", "Netlink", "nf_tables"),
        ("veth", "ip: RTNETLINK answers: Operation not supported", "no veth pair", "modprobe --all veth"),
        ("mounts", "mount: mount: /proc: permission denied.", "can't mount what it needs", "Run as root"),
        (
            "mounts",
            "mount: mount: /: not mount point or bad option.",
            "not mount point or bad option",
            "chroot",
        ),
        (
            "settings",
            "[Errno 30] Read-only file system: '/proc/sys/net/ipv4/ip_forward'",
            "ip_forward",
            "Run as root",
        ),
        ("devices", "[Errno 1] Operation not permitted", "Containers can't get devices", "Run as root"),
        ("root", "unshare: pivot_root: failed to change root: Invalid argument", "pivot_root", "Run as root"),
        (
            "kmsg",
            "[Errno 1] Operation not permitted: '/dev/kmsg'",
            "can't read /dev/kmsg",
            "--device /dev/kmsg",
        ),
    ],
)
def test_each_refusal_is_told_with_what_to_do(
    tmp_path: Path, name: str, refusal: str, problem: str, advice: str
) -> None:
    files(tmp_path, proc__sys__kernel__osrelease="6.1.0-13-amd64\n")
    (tmp_path / "lib" / "modules" / "6.1.0-13-amd64").mkdir(parents=True)
    (fault,) = judged(tmp_path, {name: refusal}).faults
    assert problem in fault.problem
    assert "\n" not in fault.problem
    assert fault.problem[0].isupper()
    assert fault.problem.endswith(".")
    assert advice in fault.advice


def test_advice_follows_where_this_is(tmp_path: Path) -> None:
    def advice(**content: str) -> str:
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        files(root, **content)
        return judged(root, {"nft": NO_FIB}).faults[0].advice

    assert "On the machine that runs this container" in advice(**{".dockerenv": ""})
    assert "wsl --update" in advice(proc__sys__kernel__osrelease="5.10.16.3-microsoft-standard-WSL2\n")
    # The kernel was updated and its package removed the modules of the one that runs.
    assert "restart the machine" in advice(proc__sys__kernel__osrelease="6.9.7-arch1-1\n")


def test_what_guards_system_calls_is_named(tmp_path: Path) -> None:
    files(
        tmp_path,
        proc__self__status="Seccomp:\t2\n",
        proc__self__attr__current="docker-default (enforce)\n",
    )
    (fault,) = judged(tmp_path, {"root": "unshare: pivot_root: Operation not permitted"}).faults
    assert "--privileged" in fault.advice
    assert "a seccomp filter and the AppArmor profile docker-default" in fault.advice


def test_without_namespaces_nothing_else_is_tried(tmp_path: Path) -> None:
    verdict = trials.judge("", "unshare: unshare failed: Operation not permitted\n", STATE, Machine(tmp_path))
    (fault,) = verdict.faults
    assert (
        "can't get namespaces of its own: unshare: unshare failed: Operation not permitted." in fault.problem
    )


def test_trials_that_end_early_are_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = judged(tmp_path, {}, "Traceback …\nMemoryError\n")
    assert [each.problem for each in verdict.faults] == [
        "What a sandbox needs could not be tried: MemoryError."
    ]

    def hang(*_: object, **more: float) -> None:
        raise subprocess.TimeoutExpired("unshare", more["timeout"])

    monkeypatch.setattr(subprocess, "run", hang)
    (fault,) = trials.run(tmp_path / "new" / "state", Machine(tmp_path)).faults
    assert "within 60 s" in fault.problem
    assert list(tmp_path.iterdir()) == []


def test_without_overlays_images_are_copied_and_a_line_says_so(tmp_path: Path) -> None:
    """As in a container whose state is no volume: the kernel puts no overlay upon an overlay."""
    files(
        tmp_path, proc__self__mountinfo="1021 873 0:88 / / rw master:401 - overlay overlay rw,lowerdir=/a\n"
    )
    verdict = judged(tmp_path, {"overlay": "mount: wrong fs type, bad option, bad superblock on overlay"})
    assert verdict.faults == []
    assert verdict.snapshotter == "native"
    assert "/var/lib/filewallball lies on overlayfs, as in a container" in verdict.note
    assert "FWB_STATE" in verdict.note
    assert "\n" not in verdict.note


def test_programs_must_run_where_images_are_copied(tmp_path: Path) -> None:
    """A folder that is mounted noexec matters without overlays only: containers see those instead."""
    refused = {"execute": "[Errno 13] Permission denied: '/var/lib/x/true'"}
    assert judged(tmp_path, refused).faults == []
    (fault,) = judged(tmp_path, {**refused, "overlay": "mount: unknown filesystem type 'overlay'."}).faults
    assert "Programs below /var/lib/filewallball can't be run" in fault.problem
    assert "noexec" in fault.advice


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FWB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "disk_faults", lambda _needs: [])
    monkeypatch.setattr(host, "LIMITS", {})
    return []


def test_faults_end_the_command_as_wrong_usage_and_limits_stay(
    said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [Fault("One thing is wrong.", "Mend it."), Fault("Another is.", "Mend it, too.")]
    monkeypatch.setattr(trials, "run", lambda *_: Verdict(faults, ""))
    limit = tmp_path / "limit"
    limit.write_text("1")
    monkeypatch.setattr(host, "LIMITS", {limit: 2})
    with pytest.raises(ConfigError) as caught:
        host.try_out(tmp_path, Progress(said.append))
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith("One thing is wrong.\n  Mend it.\nAnother is.\n  Mend it, too.\n")
    assert "filewallball:cluster" in caught.value.hint
    assert limit.read_text() == "1"


def test_another_snapshotter_than_before_imports_the_images_anew(
    said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = paths.sandbox_dir("x")
    directory.mkdir(parents=True)
    (directory / "images.json").write_text('{"a": "a.tar"}')
    images.unpack_with("x", "overlayfs")
    assert images._recorded("x") == {"a": "a.tar"}
    images.unpack_with("x", "native")
    assert images._recorded("x") == {}
    assert images._snapshotter("x") == "native"
