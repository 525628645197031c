"""The commands on a whole stack: up, preview, destroy, render, check."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facts.machine import NO_CHECKS_VARIABLE
from filewallball.cli.options import HERE, AsJson, Project, Stack, Yes
from filewallball.errors import ConfigError

if TYPE_CHECKING:
    from filewallball.engine import Graph
    from filewallball.engine.commands import Checked

EngineName = Annotated[str, typer.Option("--engine", help="auto (pulumi if on PATH), pulumi or embedded.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show every property that changes.")]
ShowProfile = Annotated[bool, typer.Option("--profile", help="Show where the time goes.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Adopt existing objects, whoever made them.")]


def add_to(app: typer.Typer) -> None:
    """Make them commands of the program itself."""
    for command in (up, preview, destroy, render, check, forward):
        app.command()(command)


def up(
    stack: Stack,
    cwd: Project = HERE,
    engine: EngineName = "auto",
    diff: Diff = False,
    as_json: AsJson = False,
    profile: ShowProfile = False,
    yes: Yes = False,
    take_over: TakeOver = False,
    checks: Annotated[
        bool, typer.Option("--checks/--no-checks", help="Check what was deployed, from inside the cluster.")
    ] = True,
) -> None:
    """Deploy a stack, wait until it runs, and check it: all checks after a change, else the quick ones."""
    after = None
    if checks:
        after = _checks_after(cwd, stack, show=not as_json)
    else:
        os.environ[NO_CHECKS_VARIABLE] = "1"  # the program then declares no Job for them
    switches = {"profile": profile, "diff": diff, "yes": yes, "take_over": take_over}
    _deploy("up", cwd, stack, engine, as_json, after, **switches)


def preview(
    stack: Stack,
    cwd: Project = HERE,
    engine: EngineName = "auto",
    diff: Diff = False,
    as_json: AsJson = False,
    profile: ShowProfile = False,
    take_over: TakeOver = False,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REF", help="Compare with this revision instead: no cluster, no credential."
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option("--markdown", help="With --against: write a comment for a pull request here."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="With --against: write the whole as one HTML page here.")
    ] = None,
) -> None:
    """Show what `up` would do: + create, ~ update, +- replace, - delete, = leave as is."""
    if against is not None:
        switches = {
            "--diff": diff,
            "--profile": profile,
            "--take-over": take_over,
            "--engine": engine != "auto",
        }
        for name, given in switches.items():
            if given:
                raise ConfigError(f"{name} asks a cluster, and --against asks none", f"Leave {name} out.")
        from filewallball.preview import command

        command.against(cwd, stack, against, comment=markdown, html=html, as_json=as_json)
        return
    for name, file in (("--markdown", markdown), ("--html", html)):
        if file:
            raise ConfigError(
                f"{name} writes a comparison of two revisions, and none is named",
                "Give --against REF with it, such as --against main.",
            )
    _deploy("preview", cwd, stack, engine, as_json, profile=profile, diff=diff, take_over=take_over)


def destroy(
    stack: Stack,
    cwd: Project = HERE,
    engine: EngineName = "auto",
    as_json: AsJson = False,
    yes: Yes = False,
    purge: Annotated[bool, typer.Option("--purge", help="Delete retained data, too.")] = False,
) -> None:
    """Delete a stack's objects; the data stays, unless --purge."""
    _deploy("destroy", cwd, stack, engine, as_json, yes=yes, purge=purge)


def render(
    stack: Stack,
    cwd: Project = HERE,
    yaml: Annotated[Path | None, typer.Option("--yaml", help="Write one file per object here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every object that a stack declares; needs no cluster."""
    from filewallball.engine import commands

    commands.render(cwd, stack, yaml, as_json=as_json)


def check(
    stack: Stack,
    names: Annotated[
        list[str] | None, typer.Argument(help="Which checks; all of them if none is named.")
    ] = None,
    cwd: Project = HERE,
    quick: Annotated[bool, typer.Option("--quick", help="Only those that take a second or two.")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Those that disturb users as well; on disposable stacks only.")
    ] = False,
    as_json: AsJson = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write the results here as JUnit XML.")
    ] = None,
) -> None:
    """Run the smoke checks inside the cluster; exit 1 on any failure."""
    from filewallball.checks import remote

    code = remote.check(cwd, stack, names or [], quick=quick, deep=deep, as_json=as_json, junit=junit)
    raise typer.Exit(code)


def forward(stack: Stack, cwd: Project = HERE) -> None:
    """Have a stack's servers on 127.0.0.1, at the ports of the documents, until Ctrl-C."""
    from threading import Event

    from filewallball.forwarding import command

    raise typer.Exit(command.run(cwd, stack, lambda line: print(line, flush=True), Event().wait))


def _deploy(
    command: str,
    cwd: Path,
    stack: str,
    engine: str,
    as_json: bool,
    after: Callable[[bool], Checked] | None = None,
    **switches: bool,
) -> None:
    began = time.monotonic()
    from filewallball.engine import commands

    flags = commands.Flags(began, engine=engine, as_json=as_json, **switches)
    code = commands.execute(command, cwd, stack, flags, _images_into_sandbox, after)
    if command == "up" and code == 0 and not as_json:
        from filewallball.forwarding import pages

        pages.after_up(cwd, stack, print)
    raise typer.Exit(code)


def _checks_after(cwd: Path, stack: str, *, show: bool) -> Callable[[bool], Checked]:
    """What `up` does at its end: tell what the program's own checks found, or run the quick ones."""
    since = datetime.now(UTC)

    def run(deployed: bool) -> Checked:
        from filewallball.checks import remote
        from filewallball.checks.result import all_good

        results = remote.after_up(cwd, stack, since=since, only_own=not deployed, show=show)
        return (0 if all_good(results) else 1), [result.as_dict() for result in results]

    return run


def _images_into_sandbox(graph: Graph, say: Callable[[str], None]) -> None:
    """A sandbox pulls nothing: bring in the images that the stack names."""
    from filewallball import paths

    for provider in graph.providers():
        kubeconfig = str(provider.props.get("kubeconfig") or "")
        name = Path(kubeconfig).parent.name if kubeconfig and "\n" not in kubeconfig else ""
        if name and Path(kubeconfig) == paths.sandbox_kubeconfig(name):
            from filewallball.sandbox import images

            say("bringing the images into the sandbox")
            images.ensure(name, graph.images())
            return
