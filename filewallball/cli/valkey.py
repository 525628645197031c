"""`fwb valkey`: the session servers and their snapshots."""

from __future__ import annotations

from typing import Annotated

import typer

from filewallball.cli.options import HERE, Project, Stack, Yes

app = typer.Typer(help="The session servers.", no_args_is_help=True)
backup_app = typer.Typer(help="Snapshots of the sessions in the stack's store.", no_args_is_help=True)
app.add_typer(backup_app, name="backup")


@backup_app.command("now")
def backup_now(stack: Stack, cwd: Project = HERE) -> None:
    """Take a snapshot of the sessions now, and show the job's log; exit 1 if it fails."""
    from filewallball.snapshots import remote

    raise typer.Exit(remote.now(cwd, stack))


@backup_app.command("list")
def backup_list(stack: Stack, cwd: Project = HERE) -> None:
    """List the snapshots in the store, the newest first."""
    from filewallball.snapshots import remote

    raise typer.Exit(remote.show(cwd, stack))


@app.command("restore")
def restore(
    stack: Stack,
    cwd: Project = HERE,
    latest: Annotated[
        bool, typer.Option("--latest", help="The newest verified snapshot that holds keys.")
    ] = False,
    name: Annotated[str | None, typer.Option("--name", help="A snapshot by its name.")] = None,
    yes: Yes = False,
) -> None:
    """Put a snapshot in the place of all sessions; asks first, and puts the present ones aside."""
    from filewallball.snapshots import remote

    raise typer.Exit(remote.restore(cwd, stack, name, latest=latest, yes=yes))
