"""One directory of programs, named by a hash of all that goes into it: it is never stale."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from filewallball import paths
from filewallball.errors import UserError
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.estimate import Estimate
from filewallball.sandbox.toolchain.golang import Go, find_go

HERE = Path(__file__).parent

PACKAGES = ("./controllers", "./coredns", "./kubernetes", "./pause", "./versitygw", "tool")
"""What one `go build` makes: our own packages, and the `tool` lines of go.mod."""
PROGRAMS = (
    "containerd",
    "containerd-shim-runc-v2",
    "controllers",
    "coredns",
    "ctr",
    "host-local",
    "kubernetes",
    "loopback",
    "pause",
    "portmap",
    "ptp",
    "server",
    "versitygw",
)
LINKS = {
    "etcd": "server",
    "kube-apiserver": "kubernetes",
    "kube-controller-manager": "kubernetes",
    "kube-proxy": "kubernetes",
    "kube-scheduler": "kubernetes",
    "kubeadm": "kubernetes",
    "kubectl": "kubernetes",
    "kubelet": "kubernetes",
}
"""Further names of programs. kubernetes/main.go runs the program that it is called by the name of."""
TAGS = "no_btrfs,no_devmapper,no_zfs,nri_no_wasm"
"""Build tags of containerd, which leave out snapshotters and WebAssembly: a sandbox never uses them."""


class Binaries:
    """The built programs, by name."""

    def __init__(self, directory: Path, kubernetes_version: str) -> None:
        self.directory = directory
        self.kubernetes_version = kubernetes_version

    def __getitem__(self, program: str) -> Path:
        if (path := self.directory / program).exists():
            return path
        raise KeyError(program)


def module_version(module: str) -> str:
    """The version of a module that go.mod pins, such as `v1.36.3`."""
    text = (HERE / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise KeyError(module)
    return found[1]


def build_key(go_version: str) -> str:
    """Names a build: the hash of the sources, of the pinned modules, how they are built and by which Go."""
    digest = hashlib.sha256(repr((go_version, build_flags(), PACKAGES, sorted(LINKS.items()))).encode())
    for path in sorted(HERE.rglob("*")):
        source = path.suffix == ".go" and not path.stem.endswith("_test")
        if source or path.name in ("go.mod", "go.sum"):
            digest.update(f"{path.relative_to(HERE)}\0".encode())
            digest.update(path.read_bytes())
    return f"programs-{digest.hexdigest()[:12]}"


def build_flags() -> list[str]:
    linker = "-s -w"
    version = module_version("k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".", 2)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        for key, value in {"gitVersion": version, "gitMajor": major, "gitMinor": minor}.items():
            linker += f" -X {package}.{key}={value}"
    # The linker drops what debuggers need (`-s -w`); without it the compiler needn't write it either.
    return ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", linker, "-tags", TAGS]


def binaries(progress: Progress) -> Binaries:
    """The programs, built where the cache doesn't have them yet."""
    root = paths.cache_dir() / "bin"
    root.mkdir(parents=True, exist_ok=True)
    go = find_go(go_needed(), progress)
    target = root / build_key(go.version)
    if not target.is_dir():
        with exclusive(root / "lock", progress, "another build of the sandbox's programs"):
            if not target.is_dir():
                build(go, target, progress)
    return Binaries(target, module_version("k8s.io/kubernetes"))


def go_needed() -> tuple[int, ...]:
    """The Go version that the pinned modules ask for."""
    found = re.search(r"^go ([\d.]+)", (HERE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise AssertionError(f"{HERE / 'go.mod'} names no version of Go")
    return tuple(int(part) for part in found[1].split("."))


def build(go: Go, target: Path, progress: Progress) -> None:
    """Download and compile everything into `target`, which appears only when it is complete."""
    for stale in target.parent.glob("tmp-*"):
        shutil.rmtree(stale)
    temporary = Path(tempfile.mkdtemp(prefix="tmp-", dir=target.parent))
    try:
        with progress.step("downloading the sandbox's Go modules") as step:
            packages = download(go, step.note)
        with progress.step("building the sandbox's programs") as step:
            compile_packages(go, packages, temporary, step.note)
    except UserError:
        shutil.rmtree(temporary)
        raise
    for link, program in LINKS.items():
        (temporary / link).symlink_to(program)
    if lost := [each for each in PROGRAMS if not (temporary / each).exists()]:
        raise AssertionError(f"the build made no {', '.join(lost)}")
    temporary.chmod(0o755)
    temporary.replace(target)


def download(go: Go, note: Callable[[str], None]) -> int:
    """Load all packages, for which Go downloads their modules; returns how many packages there are."""
    total = sum(not line.split()[1].endswith("/go.mod") for line in (HERE / "go.sum").open())
    estimate = Estimate(total, "modules")
    packages = set[str]()
    for line in _run(go, ["list", "-deps", "-tags", TAGS, *PACKAGES]):
        if line.startswith("go: downloading "):
            estimate.advance(note, line.removeprefix("go: downloading "))
        elif not line.startswith("go: "):
            packages.add(line)
    return len(packages)


def compile_packages(go: Go, packages: int, target: Path, note: Callable[[str], None]) -> None:
    """Compile and link everything into the directory `target`."""
    estimate = Estimate(packages, "packages")
    parallel = str(len(os.sched_getaffinity(0)))
    arguments = ["build", "-v", "-p", parallel, *build_flags(), "-o", f"{target}/", *PACKAGES]
    # As many compilers run at once as there are processors, so each gets one thread: more would only cost
    # processor time.
    # `-v` names each package as it is compiled; what Go's own cache has is not named.
    for line in _run(go, arguments, GOMAXPROCS="1"):
        if not line.startswith("go: "):
            estimate.advance(note, line)


def _run(go: Go, arguments: list[str], **environment: str) -> Iterator[str]:
    """The lines that a Go command prints; raises UserError with the last ones where it fails."""
    process = subprocess.Popen(
        [go.path, *arguments],
        cwd=HERE,
        env={**go.environment(), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    tail = deque[str](maxlen=15)
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    for line in process.stdout:
        tail.append(line.rstrip())
        yield line.rstrip()
    if process.wait():
        raise UserError(
            f"go {arguments[0]} of the sandbox's programs failed:\n" + "\n".join(tail),
            "If a download failed, see that the Go module proxy can be reached (`go env GOPROXY`). "
            "Then run the command again.",
        )
