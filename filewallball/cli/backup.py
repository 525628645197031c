"""`fwb backup`: the database's backups."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, Project, Stack

app = typer.Typer(help="The database's backups in the stack's store.", no_args_is_help=True)


@app.command("now")
def now(
    stack: Stack,
    cwd: Project = HERE,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="The database has no rows on purpose; back it up so.")
    ] = False,
    rate: Annotated[
        str | None,
        typer.Option(
            "--rate",
            help="SQL that is read in a second, at most, such as 20Mi; 0: no limit. If not given: "
            "filewallball:backup.rate.",
        ),
    ] = None,
) -> None:
    """Make a backup now, as the nightly job does, and show its log; exit 1 if it fails."""
    from filewallball.backup import remote

    raise typer.Exit(remote.now(cwd, stack, allow_empty=allow_empty, rate=rate))


@app.command("list")
def show(stack: Stack, cwd: Project = HERE) -> None:
    """List the backups in the store, the newest first, and the runs that failed."""
    from filewallball.backup import remote

    raise typer.Exit(remote.show(cwd, stack))


@app.command("prune")
def prune(
    stack: Stack,
    cwd: Project = HERE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which would be removed, and remove none.")
    ] = False,
) -> None:
    """Remove the backups that are older than filewallball:backup.keepDays, as each nightly job does."""
    from filewallball.backup import remote

    raise typer.Exit(remote.prune(cwd, stack, dry_run=dry_run))


@app.command("verify")
def verify(
    stack: Stack,
    name: Annotated[str | None, typer.Argument(help="Which backup; if not given: the newest.")] = None,
    cwd: Project = HERE,
    identity: Annotated[
        Path | None,
        typer.Option("--identity", help="File of the private key that opens encrypted backups."),
    ] = None,
) -> None:
    """Read a backup in the store through and compare it with its manifest; exit 1 if it is damaged."""
    from filewallball.backup import remote

    raise typer.Exit(remote.verify(cwd, stack, name, identity))
