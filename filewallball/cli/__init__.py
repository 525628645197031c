"""The command line `fwb`: each command is a thin call into the package that does the work.

Imports stand inside the commands, so that `fwb --help` stays quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:  # the base install is for applications, which need filewallball.storage alone
    print("fwb: The toolkit is not installed. Run: pip install 'filewallball[toolkit]'", file=sys.stderr)
    raise SystemExit(2) from None

from filewallball.cli import (
    backup,
    drill,
    engine,
    images,
    passwords,
    policy,
    redis,
    restore,
    sandbox,
    stack,
    storage,
    valkey,
)
from filewallball.cli.ending import end_in_order

app = typer.Typer(
    name="fwb",
    help="Stands up and looks after the stateful tier of FileWallBall.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
stack.add_to(app)
policy.add_to(app)
restore.add_to(app)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(images.app, name="images")
app.add_typer(drill.app, name="drill")
app.add_typer(backup.app, name="backup")
app.add_typer(valkey.app, name="valkey")
app.add_typer(redis.app, name="redis")
app.add_typer(storage.app, name="storage")
app.add_typer(passwords.app, name="passwords")
app.add_typer(engine.app, name="engine")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"fwb {version('filewallball')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """Stands up and looks after the stateful tier of FileWallBall."""


def main() -> None:
    """Run the command line, and exit. What a user can mend ends with a message and its own exit code."""
    end_in_order(lambda: app(prog_name="fwb"))
