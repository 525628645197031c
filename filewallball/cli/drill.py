"""`fwb drill`: faults on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, AsJson, Project, Yes, stack_names
from filewallball.errors import ConfigError

app = typer.Typer(help="Faults on purpose, under load, and what clients saw of them.", no_args_is_help=True)


@app.command("valkey")
def valkey(
    stack: Annotated[
        str, typer.Argument(help="The stack; a disposable one.", autocompletion=stack_names)
    ] = "",
    event: Annotated[
        list[str] | None, typer.Option("--event", help="Which event, as often as you like; all by default.")
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", help="How often each event is to happen.")] = 1,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the rounds and the report; drill-STACK by default."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted drill; its rounds count.")
    ] = False,
    yes: Yes = False,
    show: Annotated[bool, typer.Option("--list", help="Show the events and their limits, and stop.")] = False,
    as_json: AsJson = False,
    cwd: Project = HERE,
) -> None:
    """Break the session servers under load, and measure what clients notice; exit 1 if it is too much."""
    from filewallball.drill import command

    if show:
        print(command.events_as_text())
        return
    if not stack:
        raise ConfigError(
            "Which stack?",
            "Run `fwb drill valkey STACK`, where STACK is the NAME of a file Pulumi.NAME.yaml.",
        )
    options: dict[str, bool] = {"resume": resume, "yes": yes, "as_json": as_json}
    raise typer.Exit(command.drill(cwd, stack, event or [], rounds=rounds, out=out, **options))
