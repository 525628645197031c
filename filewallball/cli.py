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
sandbox_app = typer.Typer(help="The embedded cluster: a real one-node Kubernetes on this machine.", no_args_is_help=True)
app.add_typer(sandbox_app, name="sandbox")

Stack = Annotated[str, typer.Argument(help="The stack: NAME of a Pulumi.NAME.yaml, such as dev.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
SandboxName = Annotated[str, typer.Option("--name", help="Which sandbox; several can run side by side.")]
Project = Annotated[Path, typer.Option("--cwd", help="The folder of Pulumi.yaml.", file_okay=False)]
HERE = Path()


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
