"""The command line `fwb`: each command is a thin call into the package that does the work.

Imports stand inside the commands, so that `fwb --help` stays quick.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facts.machine import NO_CHECKS_VARIABLE
from filewallball.errors import ConfigError, UserError

if TYPE_CHECKING:
    from filewallball.engine import Graph
    from filewallball.engine.commands import Checked

app = typer.Typer(
    name="fwb",
    help="Stands up and looks after the stateful tier of FileWallBall.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
sandbox_app = typer.Typer(
    help="The embedded cluster: a real one-node Kubernetes on this machine.", no_args_is_help=True
)
app.add_typer(sandbox_app, name="sandbox")
drill_app = typer.Typer(
    help="Faults on purpose, under load, and what clients saw of them.", no_args_is_help=True
)
app.add_typer(drill_app, name="drill")
backup_app = typer.Typer(help="The database's backups in the stack's store.", no_args_is_help=True)
app.add_typer(backup_app, name="backup")
valkey_app = typer.Typer(help="The session servers.", no_args_is_help=True)
app.add_typer(valkey_app, name="valkey")
valkey_backup_app = typer.Typer(help="Snapshots of the sessions in the stack's store.", no_args_is_help=True)
valkey_app.add_typer(valkey_backup_app, name="backup")

Stack = Annotated[str, typer.Argument(help="The stack: NAME of a Pulumi.NAME.yaml, such as dev.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
SandboxName = Annotated[str, typer.Option("--name", help="Which sandbox; several can run side by side.")]
Project = Annotated[Path, typer.Option("--cwd", help="The folder of Pulumi.yaml.", file_okay=False)]
HERE = Path()
DEFAULT_SANDBOX = "filewallball"


EngineName = Annotated[str, typer.Option("--engine", help="auto (pulumi if on PATH), pulumi or embedded.")]
Diff = Annotated[bool, typer.Option("--diff", help="Show every property that changes.")]
ShowProfile = Annotated[bool, typer.Option("--profile", help="Show where the time goes.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TakeOver = Annotated[bool, typer.Option("--take-over", help="Adopt existing objects, whoever made them.")]


@app.command()
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


@app.command()
def preview(
    stack: Stack,
    cwd: Project = HERE,
    engine: EngineName = "auto",
    diff: Diff = False,
    as_json: AsJson = False,
    profile: ShowProfile = False,
    take_over: TakeOver = False,
) -> None:
    """Show what `up` would do: + create, ~ update, +- replace, - delete, = leave as is."""
    _deploy("preview", cwd, stack, engine, as_json, profile=profile, diff=diff, take_over=take_over)


@app.command()
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


@app.command()
def render(
    stack: Stack,
    cwd: Project = HERE,
    yaml: Annotated[Path | None, typer.Option("--yaml", help="Write one file per object here.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print every object that a stack declares; needs no cluster."""
    from filewallball.engine import commands

    commands.render(cwd, stack, yaml, as_json=as_json)


@app.command()
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
    raise typer.Exit(commands.execute(command, cwd, stack, flags, _images_into_sandbox, after))


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


@backup_app.command("now")
def backup_now(
    stack: Stack,
    cwd: Project = HERE,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="The database has no rows on purpose; back it up so.")
    ] = False,
) -> None:
    """Make a backup now, as the nightly job does, and show its log; exit 1 if it fails."""
    from filewallball.backup import remote

    raise typer.Exit(remote.now(cwd, stack, allow_empty=allow_empty))


@backup_app.command("list")
def backup_list(stack: Stack, cwd: Project = HERE) -> None:
    """List the backups in the store, the newest first."""
    from filewallball.backup import remote

    raise typer.Exit(remote.show(cwd, stack))


@drill_app.command("valkey")
def drill_valkey(
    stack: Annotated[str, typer.Argument(help="The stack; a disposable one.")] = "",
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Which event, as often as you like; all by default.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", help="How often each event is to happen.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the rounds and the report; drill-STACK by default."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted drill; its rounds count.")
    ] = False,
    yes: Yes = False,
    show: Annotated[bool, typer.Option("--list", help="Show the events and their limits, and stop.")] = False,
    as_json: AsJson = False,
    cwd: Project = HERE,
) -> None:
    """Break the session servers under load, and measure what clients notice; exit 1 if it is too much."""
    from filewallball.drill import command

    if show:
        print(command.events_as_text())
        return
    if not stack:
        raise ConfigError("which stack?", "fwb drill valkey STACK, with NAME of a Pulumi.NAME.yaml")
    options: dict[str, bool] = {"resume": resume, "yes": yes, "as_json": as_json}
    raise typer.Exit(command.drill(cwd, stack, event or [], rounds=rounds, out=out, **options))


@valkey_backup_app.command("now")
def valkey_backup_now(stack: Stack, cwd: Project = HERE) -> None:
    """Take a snapshot of the sessions now, and show the job's log; exit 1 if it fails."""
    from filewallball.valkey.snapshots import remote

    raise typer.Exit(remote.now(cwd, stack))


@valkey_backup_app.command("list")
def valkey_backup_list(stack: Stack, cwd: Project = HERE) -> None:
    """List the snapshots in the store, the newest first."""
    from filewallball.valkey.snapshots import remote

    raise typer.Exit(remote.show(cwd, stack))


@valkey_app.command("restore")
def valkey_restore(
    stack: Stack,
    cwd: Project = HERE,
    latest: Annotated[
        bool, typer.Option("--latest", help="The newest verified snapshot that holds keys.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="A snapshot by its name.")] = None,
    yes: Yes = False,
) -> None:
    """Put a snapshot in the place of all sessions; asks first, and puts the present ones aside."""
    from filewallball.valkey.snapshots import remote

    raise typer.Exit(remote.restore(cwd, stack, name, latest=latest, yes=yes))


@sandbox_app.command("up")
def sandbox_up(name: SandboxName = DEFAULT_SANDBOX) -> None:
    """Bring a sandbox up; on one that runs already this changes nothing."""
    from filewallball.sandbox import cluster

    print(f"kubeconfig: {cluster.up(name)}  context: fwb-{name}")


@sandbox_app.command("down")
def sandbox_down(
    name: SandboxName = DEFAULT_SANDBOX,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its data as well.")] = False,
) -> None:
    """Take a sandbox down; its data stays, unless --purge."""
    from filewallball.sandbox import cluster

    cluster.down(name, purge=purge)


@sandbox_app.command("status")
def sandbox_status(name: SandboxName = DEFAULT_SANDBOX, as_json: AsJson = False) -> None:
    """Say how a sandbox is; exit 1 unless it is ready."""
    from filewallball.sandbox import cluster

    found = cluster.status(name)
    print(cluster.describe(found, as_json=as_json))
    raise typer.Exit(0 if found.ready else 1)


@sandbox_app.command("kubeconfig")
def sandbox_kubeconfig(name: SandboxName = DEFAULT_SANDBOX) -> None:
    """Print the path of a sandbox's kubeconfig, as for KUBECONFIG=$(fwb sandbox kubeconfig)."""
    from filewallball.sandbox import cluster

    print(cluster.kubeconfig(name))


def main() -> None:
    """Run the command line. Faults that a user can mend end with a message and their own exit code."""
    try:
        app()
    except UserError as error:
        print(f"fwb: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("fwb: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
