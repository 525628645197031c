"""A sandbox from outside: bring it up, take it down, ask how it is.

`up` can be repeated at any time. It looks at what is there rather than at what was done before, so a run that
was interrupted, killed or cut off by a reboot is continued.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filewallball import paths
from filewallball.errors import WORK_BEGUN, ConfigError, UserError, nearest
from filewallball.sandbox import (
    addons,
    certificates,
    cgroups,
    configuration,
    faults,
    host,
    images,
    network,
    process,
    programs,
    publisher,
    readiness,
    supervisor,
)
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.network import Link
from filewallball.sandbox.programs import Node
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import Binaries, binaries

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
"""A sandbox's name. It becomes part of a node's name and of a cgroup's."""


BUSY_SECONDS = 30.0
"""How long a sandbox that was ready may not answer `up` before it counts as broken."""


@dataclass(frozen=True)
class Status:
    """How a sandbox is. `programs` maps each program to running, waiting or dead."""

    name: str
    exists: bool
    running: bool
    ready: bool
    kubeconfig: str
    context: str
    address: str = ""
    programs: dict[str, str] = field(default_factory=dict[str, str])
    pages: dict[str, str] = field(default_factory=dict[str, str])
    """What its stacks have on 127.0.0.1: NAMESPACE/NAME of a page → its URL."""


def up(name: str, progress: Progress | None = None) -> Path:
    """Bring the sandbox up and return its kubeconfig. On one that runs already this changes nothing.

    Raises UserError where this machine can't host one, or with the failing program's name and its log's end.
    """
    directory = _directory(name)
    progress = progress or Progress()
    host.prepare(progress)
    with exclusive(directory.with_name(f".{name}.lock"), progress, f"another command on sandbox {name}"):
        # Before the programs are built, which takes minutes.
        snapshotter = None if process.running(directory) else host.try_out(directory, progress)
        WORK_BEGUN.set()
        built = binaries(progress)
        running = process.running(directory) is not None
        if running and _serving(name, _version(built), progress):
            for healed in faults.heal_abandoned(name):
                progress.say(f"ended a fault that an interrupted run left: {healed}")
            return paths.sandbox_kubeconfig(name)
        images.build(images.OWN, built, progress)
        other = running and readiness.serving(name)
        _repair(name, directory, progress, f"stopping {'the other version' if other else 'what is left'} of")
        link = _choose_link(directory)
        node = Node(name, directory, link.node, built, snapshotter or host.try_out(directory, progress))
        _prepare(node)
        with progress.step(f"starting sandbox {name}") as step:
            identity = process.start(directory, lambda pid: network.connect(link, pid))
            readiness.wait_for_runtime(node, identity, step.note)
            images.load(name, images.OWN, built)
            readiness.wait_for_server(node, identity, step.note)
            addons.apply(node)
            readiness.wait_for_node(node, identity, step.note)
        (directory / "ready").write_text(_version(built), encoding="utf-8")
    return paths.sandbox_kubeconfig(name)


def down(name: str, purge: bool = False, progress: Progress | None = None) -> None:
    """End the sandbox and all that it made on this machine; `purge` deletes its data as well."""
    directory = _directory(name)
    progress = progress or Progress()
    if not directory.exists():
        progress.say(f"there is no sandbox {name}: nothing to do. {nearest(name, names(), 'Sandboxes')}")
        return
    with exclusive(directory.with_name(f".{name}.lock"), progress, f"another command on sandbox {name}"):
        WORK_BEGUN.set()
        _repair(name, directory, progress, "stopping")
        if purge:
            shutil.rmtree(directory)


def status(name: str) -> Status:
    """How the sandbox is, within a second."""
    directory = _directory(name)
    running = process.running(directory) is not None
    states: dict[str, str] = {}
    if running and (directory / "status.json").exists():
        reports = json.loads((directory / "status.json").read_text(encoding="utf-8"))
        states = {program: report["state"] for program, report in reports.items()}
    return Status(
        name=name,
        exists=directory.exists(),
        running=running,
        ready=running and readiness.serving(name),
        kubeconfig=str(paths.sandbox_kubeconfig(name)),
        context=paths.sandbox_context(name),
        address=_load_link(directory).node if running else "",
        programs=states,
        pages=_pages(directory) if running else {},
    )


def _pages(directory: Path) -> dict[str, str]:
    return {
        f"{each.service.partition('/')[0]}/{each.name}": each.url for each in publisher.published(directory)
    }


def kubeconfig(name: str) -> Path:
    """The kubeconfig of a sandbox that has been up; raises UserError for one that never was."""
    _directory(name)
    path = paths.sandbox_kubeconfig(name)
    if not path.exists():
        raise _unknown(name)
    return path


def names() -> list[str]:
    """The sandboxes that there are on this machine, running or not."""
    folder = paths.sandbox_dir("x").parent
    return sorted(each.name for each in folder.glob("*") if _NAME.fullmatch(each.name) and each.is_dir())


def _unknown(name: str) -> UserError:
    hint = f"{nearest(name, names(), 'Sandboxes')} `fwb sandbox up --name {name}` makes this one."
    return UserError(f"There is no sandbox {name}", hint)


def _serving(name: str, version: str, progress: Progress) -> bool:
    """Whether it is up as wanted. A busy one may be slow to answer, and must not be restarted for that."""
    if readiness.serving(name, version):
        return True
    if not readiness.was_ready(name, version):
        return False
    progress.say(f"sandbox {name} doesn't answer; waiting up to {BUSY_SECONDS:.0f} s for it")
    return readiness.serving(name, version, patience=BUSY_SECONDS)


def _version(built: Binaries) -> str:
    """Changes with the programs and their set-up: `up` restarts a sandbox of another version."""
    digest = hashlib.sha256(built.directory.name.encode())
    for source in (
        addons.__file__,
        certificates.__file__,
        configuration.__file__,
        network.__file__,
        programs.__file__,
        process.__file__,
        publisher.__file__,
    ):
        digest.update(Path(source).read_bytes())
    for file in (addons.MANIFESTS, Path(supervisor.__file__)):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _directory(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} can't be the name of a sandbox",
            "Use up to 32 lower-case letters, digits and dashes, such as dev-2.",
        )
    return paths.sandbox_dir(name)


def _repair(name: str, directory: Path, progress: Progress, stop: str) -> None:
    """End the sandbox, or whatever an interrupted command or a crash has left of it."""
    if identity := process.running(directory):
        with progress.step(f"{stop} sandbox {name}") as step:
            # A frozen process would not heed its SIGTERM, and be waited for.
            faults.thaw(identity)
            process.stop(identity, step.note)
    cgroups.clear(paths.sandbox_context(name), cgroups.mounted())
    if (directory / "network.json").exists():
        network.disconnect(_load_link(directory))
    for file in ("ready", "process.json", "pid", "status.json"):
        (directory / file).unlink(missing_ok=True)


def _load_link(directory: Path) -> Link:
    return network.link(json.loads((directory / "network.json").read_text(encoding="utf-8"))["subnet"])


def _choose_link(directory: Path) -> Link:
    """Keep the address of last time where possible; subnets of sandboxes that are down now stay theirs."""
    file = directory / "network.json"
    previous = _load_link(directory) if file.exists() else None
    reserved = [
        str(_load_link(other.parent).subnet)
        for other in directory.parent.glob("*/network.json")
        if other.parent != directory
    ]
    link = network.choose(str(previous.subnet) if previous else None, [*network.subnets_in_use(), *reserved])
    directory.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"subnet": str(link.subnet)}), encoding="utf-8")
    return link


def _prepare(node: Node) -> None:
    for folder in ("etcd", "volumes", "containerd", "kubelet", "logs", "var-log", "config"):
        (node.directory / folder).mkdir(parents=True, exist_ok=True)
    (node.directory / "etcd").chmod(0o700)
    programs.CNI_STATE.mkdir(parents=True, exist_ok=True)
    certificates.prepare(node)
    configuration.write(node)
    images.unpack_with(node.name, node.snapshotter)
    groups = cgroups.create(node.context, cgroups.governing(cgroups.mounted()))
    (node.directory / "plan.json").write_text(
        json.dumps(programs.plan(node, groups), indent=1), encoding="utf-8"
    )
    kubeconfig = paths.sandbox_kubeconfig(node.name)
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(certificates.user_kubeconfig(node), encoding="utf-8")
    # beside the kubeconfig, for users without one; the stack's outputs name it
    kubectl, program = node.directory / "kubectl", node.directory / "bin" / "kubectl"
    program.parent.mkdir(exist_ok=True)
    for path in (kubectl, program):
        path.unlink(missing_ok=True)
    program.symlink_to(node.binaries["kubectl"])
    shutil.copyfile(Path(__file__).with_name("kubectl.sh"), kubectl)
    kubectl.chmod(0o755)


def describe(found: Status, *, as_json: bool = False) -> str:
    """A status as text on a few lines, or as JSON."""
    if as_json:
        return json.dumps(asdict(found), indent=2)
    if not found.exists:
        return f"sandbox {found.name}: there is none\n  {_unknown(found.name).hint}"
    state = "ready" if found.ready else "not ready" if found.running else "down; its data is kept"
    lines = [f"sandbox {found.name}: {state}"]
    if found.running:
        lines += [
            f"  address     {found.address}",
            f"  kubeconfig  {found.kubeconfig} (context {found.context})",
        ]
        lines += [f"  {page:<24} {url}" for page, url in found.pages.items()]
        lines += [f"  {program:<24} {state}" for program, state in found.programs.items()]
    return "\n".join(lines)
