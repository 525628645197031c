"""The command on a stack's policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, AsJson, Project, stack_names


def add_to(app: typer.Typer) -> None:
    """Make it a command of the program itself."""
    app.command()(policy)


def policy(
    stack: Annotated[
        str | None, typer.Argument(help="The stack, such as dev.", autocompletion=stack_names)
    ] = None,
    cwd: Project = HERE,
    state: Annotated[
        Path | None, typer.Option("--state", help="Judge this file of `pulumi stack export` instead.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="JSON with levels and settings of rules.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold a stack to the rules of the policy pack, offline; exit 1 if a mandatory one is violated.

    Docs/policies.md lists the rules. The Pulumi CLI runs the same ones: pulumi preview --policy-pack policy
    """
    from filewallball.policy import command

    raise typer.Exit(command.execute(cwd, stack, state, config, as_json=as_json))
