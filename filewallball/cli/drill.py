"""`fwb drill`: faults on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli.options import HERE, AsJson, Project, Yes, stack_names
from filewallball.errors import ConfigError

app = typer.Typer(help="Faults on purpose, under load, and what clients saw of them.", no_args_is_help=True)


_WHERE = "where STACK is the NAME of a file Pulumi.NAME.yaml."
Stack = Annotated[str, typer.Argument(help="The stack; a disposable one.", autocompletion=stack_names)]
Names = Annotated[
    list[str] | None, typer.Option("--event", help="Which event, as often as you like; all by default.")
]
Count = Annotated[int, typer.Option("--rounds", help="How often each event is to happen.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Folder of rounds and report; drill-STACK or drill-balancer-STACK by default."
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted drill; its rounds count.")]
Show = Annotated[bool, typer.Option("--list", help="Show the events and their limits, and stop.")]


@app.command("valkey")
def valkey(
    stack: Stack = "",
    event: Names = None,
    rounds: Count = 1,
    out: Out = None,
    resume: Resume = False,
    yes: Yes = False,
    show: Show = False,
    as_json: AsJson = False,
    cwd: Project = HERE,
) -> None:
    """Break the session servers under load, and measure what clients notice; exit 1 if it is too much."""
    from filewallball.drill import command
    from filewallball.drill.valkey import VALKEY

    if show:
        print(command.events_as_text(VALKEY))
        return
    if not stack:
        raise ConfigError("Which stack?", f"Run `fwb drill valkey STACK`, {_WHERE}")
    options: dict[str, bool] = {"resume": resume, "yes": yes, "as_json": as_json}
    raise typer.Exit(command.drill(VALKEY, cwd, stack, event or [], rounds=rounds, out=out, **options))


@app.command("balancer")
def balancer(
    stack: Stack = "",
    event: Names = None,
    rounds: Count = 1,
    out: Out = None,
    resume: Resume = False,
    yes: Yes = False,
    show: Show = False,
    as_json: AsJson = False,
    cwd: Project = HERE,
) -> None:
    """Break what stands behind the balancer, or itself, and measure what users notice; exit 1 if too much."""
    from filewallball.drill import command
    from filewallball.drill.balancer.tool import BALANCER

    if show:
        print(command.events_as_text(BALANCER))
        return
    if not stack:
        raise ConfigError("Which stack?", f"Run `fwb drill balancer STACK`, {_WHERE}")
    options: dict[str, bool] = {"resume": resume, "yes": yes, "as_json": as_json}
    raise typer.Exit(command.drill(BALANCER, cwd, stack, event or [], rounds=rounds, out=out, **options))
