"""`fwb passwords`: new passwords without an outage."""

from __future__ import annotations

from typing import Annotated

import typer

from filewallball.cli.options import HERE, Project, Stack

app = typer.Typer(help="New passwords while all runs.", no_args_is_help=True)

Server = Annotated[str, typer.Argument(help="mariadb, redis or valkey; all of them if none is named.")]
Grace = Annotated[
    str, typer.Option("--grace", help="How long applications have to follow, such as 10m, 90s, 2h or 0.")
]


@app.command("rotate")
def rotate(stack: Stack, server: Server = "", grace: Grace = "10m", cwd: Project = HERE) -> None:
    """Give every user a new password, and refuse the old ones at the end; goes on with an interrupted one."""
    from filewallball.passwords import command

    command.rotate(cwd, stack, server, grace)


@app.command("finish")
def finish(stack: Stack, server: Server = "", cwd: Project = HERE) -> None:
    """Refuse the old passwords now: all applications have the new ones."""
    from filewallball.passwords import command

    command.finish(cwd, stack, server)


@app.command("undo")
def undo(stack: Stack, server: Server = "", grace: Grace = "10m", cwd: Project = HERE) -> None:
    """Go back to the old passwords, as long as they are accepted."""
    from filewallball.passwords import command

    command.undo(cwd, stack, server, grace)
