"""`fwb redis`: before and after maintenance of a Redis, a Redis Cluster or a Valkey."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from filewallball.cli import redis_keys
from filewallball.cli.options import HERE, AsJson, Project

app = typer.Typer(
    help="Redis and Valkey before and after maintenance: state, load, comparison.", no_args_is_help=True
)

redis_keys.add_to(app)

Target = Annotated[
    str,
    typer.Argument(
        help="Nodes of config.json (local, dev, prd), a URL (redis://HOST:PORT), STACK:redis or STACK:valkey."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="The file of the result; redis-KIND-TARGET-TIME.json by default.")
]


@app.command("state")
def state(target: Target, out: Out = None, as_json: AsJson = False, cwd: Project = HERE) -> None:
    """Show what the target is made of and how it is, and write it to a file; exit 1 if something is wrong."""
    from filewallball.stability import commands

    raise typer.Exit(commands.look(cwd, target, out, as_json=as_json))


@app.command("poll")
def poll(
    target: Target,
    seconds: Annotated[float, typer.Option("--seconds", help="How long.")] = 60,
    rate: Annotated[float, typer.Option("--rate", help="Requests a second, all shards together.")] = 500,
    out: Out = None,
    as_json: AsJson = False,
    cwd: Project = HERE,
) -> None:
    """Send a mixed load, and write latencies, errors and failovers to a file; exit 1 if a request failed."""
    from filewallball.stability import commands

    raise typer.Exit(commands.load(cwd, target, seconds, rate, out, as_json=as_json))


@app.command("compare")
def compare(
    before: Annotated[Path, typer.Argument(help="The file of a state or a poll.", dir_okay=False)],
    after: Annotated[Path, typer.Argument(help="A later one of the same kind.", dir_okay=False)],
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a plot of two polls here, as SVG.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what has changed beyond noise, better or worse; exit 1 if something is worse.

    Where there is too much noise to tell, it says so with WARNING, and the exit code is 0.
    """
    from filewallball.stability import compare

    raise typer.Exit(compare.run(before, after, plot, as_json=as_json))
