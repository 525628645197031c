"""`fwb redis backup` and `fwb redis restore`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from filewallball.cli.options import HERE, Project

Source = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="Nodes of config.json (such as dev), a URL (redis://HOST:PORT), STACK:redis or STACK:valkey.",
    ),
]
Store = Annotated[
    str | None,
    typer.Option("--store", help="s3://BUCKET/PATH or a folder; by default S3_URI."),
]
Way = Literal["auto", "replica", "scan"]
Verify = Literal["full", "sample", "none"]


def add_to(app: typer.Typer) -> None:
    """Register both commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    target: Source,
    way: Annotated[
        Way,
        typer.Option("--way", help="Read as a replica does, or by SCAN; auto takes the first where it can."),
    ] = "auto",
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=0, help="Keys a second of each shard; 0: no limit; default 10000."),
    ] = None,
    compress: Annotated[
        Literal["zstd", "none"], typer.Option("--compress", help="How pieces are packed.")
    ] = "zstd",
    verify: Annotated[
        Verify, typer.Option("--verify", help="How much is read back from the store: all, some, or nothing.")
    ] = "sample",
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Go on with a backup that was interrupted."),
    ] = True,
    store: Store = None,
    cwd: Project = HERE,
) -> None:
    """Copy every key to the store, and print the backup_id last; exit 1 if that fails.

    Values of all types, times to expire, and functions are kept. Each shard is read by itself.
    """
    from filewallball.stability.keys import command

    raise typer.Exit(
        command.backup(cwd, target, store, way=way, rate=rate, packing=compress, verify=verify, resume=resume)
    )


def restore(
    target: Source,
    latest: Annotated[bool, typer.Option("--latest", help="The newest finished backup of TARGET.")] = False,
    backup_id: Annotated[str | None, typer.Option("--id", help="A backup by its backup_id.")] = None,
    show: Annotated[bool, typer.Option("--list", help="Show the backups in the store, and stop.")] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite/--no-overwrite", help="Replace keys that exist, or leave them."),
    ] = True,
    match: Annotated[
        str | None,
        typer.Option("--match", help="Only keys like this, such as 'user:*'."),
    ] = None,
    database: Annotated[
        int | None,
        typer.Option("--database", min=0, help="Only this database; a cluster takes it, too."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read it all, and say what would be done, but change nothing.")
    ] = False,
    to: Annotated[str | None, typer.Option("--to", help="Another target that gets the keys.")] = None,
    verify: Annotated[
        Verify, typer.Option("--verify", help="How many keys are compared at the end: all, some, or none.")
    ] = "sample",
    store: Store = None,
    cwd: Project = HERE,
) -> None:
    """Put the keys of a backup back, to any topology; exit 1 if that fails.

    Keys of the backup replace keys of the same name. Keys that are not in the backup stay. Keys that have
    expired since are not placed. Run it again after an interruption: it goes on where it was.
    """
    from filewallball.stability.keys import command

    if show:
        raise typer.Exit(command.show(cwd, target, store))
    done = command.restore(
        cwd,
        target,
        store,
        latest=latest,
        name=backup_id,
        to=to,
        overwrite=overwrite,
        match=match,
        database=database,
        dry_run=dry_run,
        verify=verify,
    )
    raise typer.Exit(done)
