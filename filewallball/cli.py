"""The command line `fwb`: each command is a thin call into the package that does the work.

Imports stand inside the commands, so that `fwb --help` stays quick.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from filewallball.errors import UserError

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
