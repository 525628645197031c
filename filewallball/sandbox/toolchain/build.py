"""One directory of programs, named by a hash of all that goes into it: it is never stale."""

from __future__ import annotations

import os
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
from filewallball.sandbox.toolchain.sources import SANDBOX, Sources


class Binaries:
    """The built programs of some sources, by name."""

    def __init__(self, directory: Path, sources: Sources = SANDBOX) -> None:
        self.directory = directory
        self._sources = sources

    @property
    def kubernetes_version(self) -> str:
        return self._sources.module_version("k8s.io/kubernetes")

    def __getitem__(self, program: str) -> Path:
        if (path := self.directory / program).exists():
            return path
        raise KeyError(program)


def binaries(progress: Progress, sources: Sources = SANDBOX) -> Binaries:
    """The programs, built where the cache doesn't have them yet."""
    root = _root()
    go = find_go(sources.go_needed(), progress)
    target = root / sources.key(go.version)
    if not target.is_dir():
        with exclusive(root / "lock", progress, f"another build of {sources.what}"):
            if not target.is_dir():
                build(go, target, progress, sources)
    return Binaries(target, sources)


def built(progress: Progress, sources: Sources) -> Binaries | None:
    """The programs if the cache has them; nothing is built."""
    target = _root() / sources.key(find_go(sources.go_needed(), progress).version)
    return Binaries(target, sources) if target.is_dir() else None


def _root() -> Path:
    root = paths.cache_dir() / "bin"
    root.mkdir(parents=True, exist_ok=True)
    return root


def build(go: Go, target: Path, progress: Progress, sources: Sources = SANDBOX) -> None:
    """Download and compile everything into `target`, which appears only when it is complete."""
    for stale in target.parent.glob("tmp-*"):
        shutil.rmtree(stale)
    temporary = Path(tempfile.mkdtemp(prefix="tmp-", dir=target.parent))
    try:
        with progress.step(f"downloading the Go modules of {sources.what}") as step:
            packages = download(go, sources, step.note)
        with progress.step(f"building {sources.what}") as step:
            compile_packages(go, sources, packages, temporary, step.note)
    except UserError:
        shutil.rmtree(temporary)
        raise
    for link, program in sources.links.items():
        (temporary / link).symlink_to(program)
    if lost := [each for each in sources.programs if not (temporary / each).exists()]:
        raise AssertionError(f"the build made no {', '.join(lost)}")
    temporary.chmod(0o755)
    temporary.replace(target)


def download(go: Go, sources: Sources, note: Callable[[str], None]) -> int:
    """Load all packages, for which Go downloads their modules; returns how many packages there are."""
    total = sum(not line.split()[1].endswith("/go.mod") for line in (sources.directory / "go.sum").open())
    estimate = Estimate(total, "modules")
    packages = set[str]()
    for line in _run(go, sources, ["list", "-deps", "-tags", sources.tags, *sources.packages]):
        if line.startswith("go: downloading "):
            estimate.advance(note, line.removeprefix("go: downloading "))
        elif not line.startswith("go: "):
            packages.add(line)
    return len(packages)


def compile_packages(
    go: Go, sources: Sources, packages: int, target: Path, note: Callable[[str], None]
) -> None:
    """Compile and link everything into the directory `target`."""
    estimate = Estimate(packages, "packages")
    parallel = str(len(os.sched_getaffinity(0)))
    arguments = ["build", "-v", "-p", parallel, *sources.flags(), "-o", f"{target}/", *sources.packages]
    # As many compilers run at once as there are processors, so each gets one thread: more would only cost
    # processor time.
    # `-v` names each package as it is compiled; what Go's own cache has is not named.
    for line in _run(go, sources, arguments, GOMAXPROCS="1"):
        if not line.startswith("go: "):
            estimate.advance(note, line)


def _run(go: Go, sources: Sources, arguments: list[str], **environment: str) -> Iterator[str]:
    """The lines that a Go command prints; raises UserError with the last ones where it fails."""
    process = subprocess.Popen(
        [go.path, *arguments],
        cwd=sources.directory,
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
            f"go {arguments[0]} of {sources.what} failed:\n" + "\n".join(tail),
            "If a download failed, see that the Go module proxy can be reached (`go env GOPROXY`). "
            "Then run the command again.",
        )
