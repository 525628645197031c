"""Runs a stack with the Pulumi CLI, and keeps the record of which engine owns it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from filewallball import proxies
from filewallball.engine.ownership import guards
from filewallball.engine.ownership.record import EMBEDDED, Record, Store
from filewallball.engine.ownership.session import NotOurs, Session
from filewallball.engine.program.graph import Graph, Providers
from filewallball.engine.run import Options, connect
from filewallball.errors import ConfigError, UserError, nearest
from filewallball.redact import Redactor

NATIVE = "pulumi"
ENGINES = ("auto", NATIVE, EMBEDDED)
Choice = Literal["pulumi", "embedded"]


def choose(wanted: str) -> Choice:
    """Which engine `auto`, `pulumi` or `embedded` means on this machine."""
    if wanted not in ENGINES:
        raise ConfigError(f"There is no engine {wanted!r}", nearest(wanted, ENGINES, "Engines"))
    if wanted == EMBEDDED:
        return EMBEDDED
    installed = shutil.which("pulumi") is not None
    if wanted == NATIVE and not installed:
        raise UserError(
            "The Pulumi CLI is not on PATH", "Install it from https://www.pulumi.com/docs/install/, or use"
            " `--engine embedded`."
        )  # fmt: skip
    return NATIVE if installed else EMBEDDED


def run(command: str, root: Path, stack: str, project: str, graph: Graph, arguments: Sequence[str]) -> int:
    """Run `pulumi <command>` in the project; its exit code. Refuses a stack of the embedded engine."""
    if not graph.kubernetes:
        return _pulumi(command, root, stack, arguments)
    with connect(root, Providers(graph.providers()), Options().patience) as kube:
        store = Store(kube, project, stack)
        record = store.load()
        if record and record.engine == EMBEDDED:
            raise UserError(
                f"stack {stack} of {project} is owned by the embedded engine",
                "Use `--engine embedded`. To move it to the Pulumi CLI, run\n"
                f"  `fwb destroy {stack} --engine embedded` (the data stay),\n"
                f"  `kubectl -n default delete configmap {store.name}`, and then `pulumi up`.",
            )
        first = command == "up" and record is None
        if first:
            store.save(Record(engine=NATIVE))
        code = 1
        try:
            code = _pulumi(command, root, stack, arguments)
        finally:
            session = Session(kube, project, stack, Redactor(), take_over=False)
            if (command == "destroy" and code == 0) or (first and code and not _made(session, graph)):
                store.delete()
        return code


def _made(session: Session, graph: Graph) -> bool:
    """Whether an `up` that was refused, declined or failed has made anything after all."""
    try:
        guards.refuse_others(session, graph, Providers(graph.providers()), "changed")
    except NotOurs as error:
        return error.by_pulumi
    return False


def _pulumi(command: str, root: Path, stack: str, arguments: Sequence[str]) -> int:
    call = ["pulumi", command, "--cwd", str(root), "--stack", stack, *arguments]
    return subprocess.run(call, check=False, env=proxies.environment()).returncode
