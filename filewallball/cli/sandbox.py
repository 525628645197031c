"""`fwb sandbox`: the embedded cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from filewallball.cli.options import DEFAULT_SANDBOX, AsJson, SandboxName

app = typer.Typer(
    help="The embedded cluster: a real one-node Kubernetes on this machine.", no_args_is_help=True
)


@app.command("up")
def up(name: SandboxName = DEFAULT_SANDBOX) -> None:
    """Bring a sandbox up; on one that runs already this changes nothing."""
    from filewallball.sandbox import cluster

    print(f"kubeconfig: {cluster.up(name)}  context: fwb-{name}")


@app.command("down")
def down(
    name: SandboxName = DEFAULT_SANDBOX,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its data as well.")] = False,
) -> None:
    """Take a sandbox down; its data stays, unless --purge."""
    from filewallball.sandbox import cluster

    cluster.down(name, purge=purge)


@app.command("status")
def status(name: SandboxName = DEFAULT_SANDBOX, as_json: AsJson = False) -> None:
    """Say how a sandbox is; exit 1 unless it is ready."""
    from filewallball.sandbox import cluster

    found = cluster.status(name)
    print(cluster.describe(found, as_json=as_json))
    raise typer.Exit(0 if found.ready else 1)


@app.command("kubeconfig")
def kubeconfig(name: SandboxName = DEFAULT_SANDBOX) -> None:
    """Print the path of a sandbox's kubeconfig, as for KUBECONFIG=$(fwb sandbox kubeconfig)."""
    from filewallball.sandbox import cluster

    print(cluster.kubeconfig(name))
