"""What is built from Go: a module of ours, the programs that it makes, and how."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


def _none(_sources: Sources) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Sources:
    """One Go module, and what one `go build` makes of it."""

    directory: Path
    name: str
    """What the builds in the cache are called, before the hash."""
    what: str
    """The programs, as messages call them."""
    packages: tuple[str, ...]
    """Packages of our own, and `tool` for the `tool` lines of go.mod."""
    programs: tuple[str, ...]
    links: dict[str, str] = field(default_factory=dict[str, str])
    """Further names of programs: `link: program`."""
    tags: str = ""
    variables: Callable[[Sources], dict[str, str]] = _none
    """Gives the variables that the linker sets, as `package.name: value`."""

    def module_version(self, module: str) -> str:
        """The version of a module that go.mod pins, such as `v1.36.3`."""
        text = (self.directory / "go.mod").read_text(encoding="utf-8")
        found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
        if found is None:
            raise KeyError(module)
        return found[1]

    def go_needed(self) -> tuple[int, ...]:
        """The Go version that the pinned modules ask for."""
        text = (self.directory / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"^go ([\d.]+)", text, re.MULTILINE)
        if found is None:
            raise AssertionError(f"{self.directory / 'go.mod'} names no version of Go")
        return tuple(int(part) for part in found[1].split("."))

    def flags(self) -> list[str]:
        """The flags of `go build`."""
        linker = "-s -w"
        for variable, value in self.variables(self).items():
            linker += f" -X {variable}={value}"
        # The linker drops what debuggers need (`-s -w`); without it the compiler needn't write it either.
        flags = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", linker]
        return [*flags, "-tags", self.tags] if self.tags else flags

    def key(self, go_version: str) -> str:
        """A build's name, with the hash of sources, pinned modules, how they are built and by which Go."""
        made = (go_version, self.flags(), self.packages, sorted(self.links.items()))
        digest = hashlib.sha256(repr(made).encode())
        for path in sorted(self.directory.rglob("*")):
            source = path.suffix == ".go" and not path.stem.endswith("_test")
            if source or path.name in ("go.mod", "go.sum"):
                digest.update(f"{path.relative_to(self.directory)}\0".encode())
                digest.update(path.read_bytes())
        return f"{self.name}-{digest.hexdigest()[:12]}"


def _kubernetes_version(sources: Sources) -> dict[str, str]:
    version = sources.module_version("k8s.io/kubernetes")
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return {f"{package}.{key}": value for package in packages for key, value in values.items()}


def _cli_version(sources: Sources) -> dict[str, str]:
    version = sources.module_version("github.com/pulumi/pulumi/pkg/v3")
    return {"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": version}


SANDBOX = Sources(
    directory=HERE,
    name="programs",
    what="the sandbox's programs",
    packages=("./controllers", "./coredns", "./kubernetes", "./pause", "./versitygw", "tool"),
    programs=(
        "containerd", "containerd-shim-runc-v2", "controllers", "coredns", "ctr", "host-local", "kubernetes",
        "loopback", "pause", "portmap", "ptp", "server", "versitygw",
    ),
    # kubernetes/main.go runs the program that it is called by the name of
    links={
        "etcd": "server",
        "kube-apiserver": "kubernetes",
        "kube-controller-manager": "kubernetes",
        "kube-proxy": "kubernetes",
        "kube-scheduler": "kubernetes",
        "kubeadm": "kubernetes",
        "kubectl": "kubernetes",
        "kubelet": "kubernetes",
    },
    # containerd's, which leave out snapshotters and WebAssembly: a sandbox never uses them
    tags="no_btrfs,no_devmapper,no_zfs,nri_no_wasm",
    variables=_kubernetes_version,
)  # fmt: skip
PULUMI_CLI = Sources(
    directory=HERE.parent / "pulumi" / "cli",
    name="pulumi",
    what="the Pulumi CLI",
    packages=("tool",),
    programs=("pulumi",),
    variables=_cli_version,
)
PULUMI_KUBERNETES = Sources(
    directory=HERE.parent / "pulumi" / "kubernetes",
    name="pulumi-kubernetes",
    what="Pulumi's Kubernetes provider",
    packages=("./pulumi-resource-kubernetes",),
    programs=("pulumi-resource-kubernetes",),
)
"""A module of its own: the provider's sources need an older version of Pulumi's packages than the CLI."""
