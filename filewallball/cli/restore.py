"""`fwb restore`: the database back from a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, Project, Stack, Yes


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("restore")(restore)


def restore(
    stack: Stack,
    cwd: Project = HERE,
    show: Annotated[bool, typer.Option("--list", help="List what can be restored.")] = False,
    latest: Annotated[bool, typer.Option("--latest", help="The newest verified backup.")] = False,
    name: Annotated[str | None, typer.Option("--file", "-f", help="A backup by its name.")] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", help="The state at that time: '2026-11-21 10:15:00', in the stack's zone or with one."
        ),
    ] = None,
    into: Annotated[
        str | None,
        typer.Option("--into", help="Load it into a new database of this name; the present one stays."),
    ] = None,
    tables: Annotated[
        str | None,
        typer.Option("--tables", help="Only these tables and their triggers, with commas between them."),
    ] = None,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="File of the private key that opens encrypted backups."),
    ] = None,
    yes: Yes = False,
) -> None:
    """Put a backup in the place of the database; asks first, and backs up what is there."""
    from filewallball.errors import ConfigError
    from filewallball.recovery import remote

    if show:
        if latest or yes or any(option is not None for option in (name, at, into, tables)):
            raise ConfigError("--list shows what there is, and restores nothing.", "Give it alone.")
        raise typer.Exit(remote.show(cwd, stack))
    raise typer.Exit(remote.restore(cwd, stack, remote.Asked(latest, name, at, into, tables, yes, identity)))
