"""The command line `fwb`: each command is a thin call into the package that does the work.

Imports stand inside the commands, so that `fwb --help` stays quick.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from filewallball.errors import UserError

if TYPE_CHECKING:
    from filewallball.engine import Graph

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
) -> None:
    """Deploy a stack and wait until it runs."""
    _deploy("up", cwd, stack, engine, as_json, profile=profile, diff=diff, yes=yes, take_over=take_over)


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


def _deploy(command: str, cwd: Path, stack: str, engine: str, as_json: bool, **switches: bool) -> None:
    began = time.monotonic()
    from filewallball.engine import commands

    flags = commands.Flags(began, engine=engine, as_json=as_json, **switches)
    code, _ = commands.execute(command, cwd, stack, flags, _images_into_sandbox)
    raise typer.Exit(code)


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
