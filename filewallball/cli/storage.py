"""`fwb storage`: what there is to do with a storage that applications use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from filewallball.errors import UserError

app = typer.Typer(
    name="storage",
    help="The storage of an application: import from diskcache, check, copy.",
    no_args_is_help=True,
)
Url = Annotated[
    str, typer.Argument(metavar="URL", help="Where it is: file:///folder, redis://host:6379 or sentinel://…")
]


class WrongStorage(UserError):
    exit_code = 2


@app.command("import-diskcache")
def import_diskcache(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that has cache.db.")],
    url: Url,
) -> None:
    """Copy the entries of a diskcache's folder. Nothing in it is executed: what was pickled is left out."""
    from filewallball.storage import commands

    _end(lambda: commands.import_diskcache(folder, url))


@app.command()
def check(
    url: Url,
    fix: Annotated[bool, typer.Option("--fix", help="Mend it where that is possible.")] = False,
) -> None:
    """Tell what is wrong with a storage; exit 1 if anything is."""
    from filewallball.storage import commands

    _end(lambda: commands.check(url, fix=fix))


@app.command()
def backup(
    url: Url,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The copy becomes a new folder in it.")],
) -> None:
    """Copy a storage on a disk while it is used, and print where the copy is."""
    from filewallball.storage import commands

    _end(lambda: commands.backup(url, folder))


def _end(command: Callable[[], int]) -> None:
    from filewallball.storage.errors import StorageError, WrongSetting

    try:
        code = command()
    except WrongSetting as error:
        raise WrongStorage(str(error)) from error
    except StorageError as error:
        raise UserError(str(error)) from error
    raise typer.Exit(code)
