"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stack_names(context: typer.Context) -> list[str]:
    """What a shell may complete a stack's name to: those of the project in --cwd, or here."""
    from filewallball.project import load_project

    try:
        return load_project(Path(context.params.get("cwd") or ".")).stacks()
    except Exception:  # noqa: BLE001 - a shell that completes has no place for a message
        return []


HERE = Path()
DEFAULT_SANDBOX = "filewallball"

Stack = Annotated[
    str,
    typer.Argument(help="The stack: NAME of a Pulumi.NAME.yaml, such as dev.", autocompletion=stack_names),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
SandboxName = Annotated[str, typer.Option("--name", help="Which sandbox; several can run side by side.")]
Project = Annotated[Path, typer.Option("--cwd", help="The folder of Pulumi.yaml.", file_okay=False)]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
