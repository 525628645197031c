"""One directory per group of programs, named by a hash of all that goes into it: it is never stale."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.golang import Go, find_go

HERE = Path(__file__).parent
_REPORT_EVERY = 10.0  # seconds between progress lines


@dataclass(frozen=True)
class Group:
    """Programs that one module builds. `links` are further names of the program `links_to`."""

    name: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    tags: str = ""
    links: tuple[str, ...] = ()
    links_to: str = ""

    @property
    def directory(self) -> Path:
        return HERE / self.name


# The largest first: its build takes longest, and the others download meanwhile.
GROUPS = (
    Group(
        "kubernetes",
        (".",),
        ("kubernetes",),
        links=(
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubeadm",
            "kubectl",
            "kubelet",
        ),
        links_to="kubernetes",
    ),
    Group(
        "node",
        ("tool", "./pause"),
        ("containerd", "containerd-shim-runc-v2", "ctr", "host-local", "loopback", "pause", "portmap", "ptp"),
        tags="no_btrfs,no_devmapper,no_zfs",
    ),
    Group("addons", ("./coredns", "./controllers"), ("coredns", "controllers")),
    Group("etcd", ("go.etcd.io/etcd/server/v3",), ("server",), links=("etcd",), links_to="server"),
    Group("store", ("tool",), ("versitygw",)),
)


class Binaries:
    """The built programs, by name."""

    def __init__(self, directories: Iterable[Path], kubernetes_version: str) -> None:
        self.directories = list(directories)
        self.kubernetes_version = kubernetes_version

    def __getitem__(self, program: str) -> Path:
        for directory in self.directories:
            if (directory / program).exists():
                return directory / program
        raise KeyError(program)


def module_version(group: str, module: str) -> str:
    """The version of a module that a group's go.mod pins, such as `v1.36.3`."""
    text = (HERE / group / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise KeyError(module)
    return found[1]


def group_key(group: Group, go_version: str) -> str:
    """Names a build: the hash of the module's sources, how it is built and by which Go."""
    digest = hashlib.sha256(repr((go_version, build_flags(group), group.packages)).encode())
    for path in sorted(group.directory.rglob("*")):
        if (path.suffix == ".go" and not path.stem.endswith("_test")) or path.name in ("go.mod", "go.sum"):
            digest.update(f"{path.relative_to(group.directory)}\0".encode())
            digest.update(path.read_bytes())
    return f"{group.name}-{digest.hexdigest()[:12]}"


def build_flags(group: Group) -> list[str]:
    linker = "-s -w"
    if group.name == "kubernetes":
        version = module_version("kubernetes", "k8s.io/kubernetes")
        major, minor, _ = version.removeprefix("v").split(".", 2)
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
            for key, value in {"gitVersion": version, "gitMajor": major, "gitMinor": minor}.items():
                linker += f" -X {package}.{key}={value}"
    flags = ["-trimpath", "-ldflags", linker]
    return [*flags, "-tags", group.tags] if group.tags else flags


def binaries(progress: Progress) -> Binaries:
    """The programs, built where the cache doesn't have them yet."""
    root = paths.cache_dir() / "bin"
    root.mkdir(parents=True, exist_ok=True)
    version = module_version("kubernetes", "k8s.io/kubernetes")
    go = find_go(go_needed(), progress)
    targets = {group: root / group_key(group, go.version) for group in GROUPS}
    if not all(target.is_dir() for target in targets.values()):
        with exclusive(root / "lock", progress, "another build of the sandbox's programs"):
            _build_missing(go, targets, progress)
    return Binaries(targets.values(), version)


def go_needed() -> tuple[int, ...]:
    """The newest Go version that any of the modules asks for."""
    found = [
        re.search(r"^go ([\d.]+)", (each.directory / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
        for each in GROUPS
    ]
    return max(tuple(int(part) for part in each[1].split(".")) for each in found if each)


def _build_missing(go: Go, targets: dict[Group, Path], progress: Progress) -> None:
    missing = [group for group, target in targets.items() if not target.is_dir()]
    for stale in next(iter(targets.values())).parent.glob("tmp-*"):
        shutil.rmtree(stale)
    downloads = threading.Thread(target=_download, args=(go, missing[1:]), daemon=True)
    downloads.start()
    for number, group in enumerate(missing, 1):
        with progress.step(f"building {group.name} ({number} of {len(missing)})") as step:
            build_group(go, group, targets[group], step.note)


def _download(go: Go, groups: list[Group]) -> None:
    """Loading the packages of a module downloads what they need. What goes wrong here, the build reports."""
    for group in groups:
        subprocess.run(
            [go.path, "list", "-deps", *group.packages],
            cwd=group.directory,
            env=go.environment(),
            capture_output=True,
        )


def build_group(go: Go, group: Group, target: Path, note: Callable[[str], None]) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="tmp-", dir=target.parent))
    process = subprocess.Popen(
        [go.path, "build", "-v", *build_flags(group), "-o", f"{temporary}/", *group.packages],
        cwd=group.directory,
        env=go.environment(),
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    compiled, tail, shown = 0, deque[str](maxlen=15), time.monotonic()
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    for line in process.stderr:
        compiled += not line.startswith("go: ")
        tail.append(line.rstrip())
        if time.monotonic() - shown >= _REPORT_EVERY:
            shown = time.monotonic()
            note(f"{compiled} packages, now {line.strip()}")
    if process.wait():
        shutil.rmtree(temporary)
        raise UserError(
            f"go build of {group.name} failed:\n" + "\n".join(tail),
            "if a download failed, see that the Go module proxy can be reached (`go env GOPROXY`); run again",
        )
    for link in group.links:
        (temporary / link).symlink_to(group.links_to)
    lost = [each for each in group.programs if not (temporary / each).exists()]
    if lost:
        raise AssertionError(f"{group.name} built no {', '.join(lost)}")
    temporary.chmod(0o755)
    temporary.replace(target)
