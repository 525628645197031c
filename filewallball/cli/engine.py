"""`fwb engine`: the real Pulumi engine, built here where it can't be downloaded."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="The Pulumi CLI and its Kubernetes provider, built on this machine.", no_args_is_help=True
)


@app.command("build")
def build() -> None:
    """Build them from Go modules into the cache, and print the folder; 15 minutes of processor time.

    They are for tests on machines that can't download them: there is no language host among them.
    """
    from filewallball.sandbox import engines

    print(engines.build())


@app.callback()
def options() -> None:
    """The Pulumi CLI and its Kubernetes provider, built on this machine."""
