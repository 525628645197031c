"""`fwb images`: the images of a stack by digest, and the product's own images for clusters elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, Project, Stack

app = typer.Typer(help="The images that a stack runs, and our own ones among them.", no_args_is_help=True)


@app.command("pin")
def pin(
    stack: Stack,
    cwd: Project = HERE,
    update: Annotated[
        bool, typer.Option("--update", help="Also where there is a digest: the tag may mean another by now.")
    ] = False,
) -> None:
    """Find the digest of each image in its registry, and write it into the stack's file."""
    from filewallball.images import pin as module

    raise typer.Exit(module.pin(cwd, stack, print, update=update))


@app.command("push")
def push(
    where: Annotated[str, typer.Argument(metavar="REGISTRY/PREFIX", help="Where to, such as ghcr.io/team.")],
) -> None:
    """Build our own images without Docker, push them, and print what to write into a stack's file."""
    from filewallball.images import own
    from filewallball.sandbox.progress import Progress

    raise typer.Exit(own.push(where, print, Progress()))


@app.command("save")
def save(
    file: Annotated[Path, typer.Argument(help="The archive to write, such as images.tar.", dir_okay=True)],
) -> None:
    """Build our own images without Docker, and save them in one file.

    For `k3s ctr images import`, `kind load image-archive` and `docker load`.
    """
    from filewallball.images import own
    from filewallball.sandbox.progress import Progress

    raise typer.Exit(own.save(file, print, Progress()))


@app.command("sbom")
def sbom(
    folder: Annotated[Path, typer.Argument(help="Where the files are to be written.", file_okay=True)],
    references: Annotated[
        list[str] | None,
        typer.Argument(metavar="[IMAGE]...", help="Images that a sandbox builds; without one, our own."),
    ] = None,
) -> None:
    """Write the bill of materials of each image: what is in it, for scanners, as CycloneDX.

    `push` and `save` add it by themselves.
    """
    from filewallball.images import own
    from filewallball.images import sbom as module
    from filewallball.sandbox.progress import Progress

    raise typer.Exit(module.write(folder, references or own.references().values(), print, Progress()))
