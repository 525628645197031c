"""`fwb redis state`: what a target is made of, how its servers are, and what is wrong."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from filewallball.checks.result import Result, all_good
from filewallball.errors import UserError
from filewallball.stability import facts_of_nodes, proving, saved, servers, topology, verdicts
from filewallball.stability.facts_of_nodes import NodeFacts
from filewallball.stability.servers import text
from filewallball.stability.targets import Target
from filewallball.stability.topology import Deployment
from filewallball.stability.verdicts import Picture

MIB = 1 << 20
"""Bytes."""


def run(target: Target, out: Path | None, *, as_json: bool = False) -> int:
    """Look at the target, print what is seen, and write it. Returns 0 if all is well, else 1.

    Raises UserError if no node answers.
    """
    at = datetime.now(UTC)
    return saved.told("state", target.name, at, out, lambda: taken(target, at), show, as_json=as_json)


def taken(target: Target, at: datetime) -> dict[str, Any]:
    """The state as plain data."""
    picture = seen(target)
    results = verdicts.judge(picture)
    deployment = picture.deployment
    return {
        "kind": "state",
        "target": target.name,
        "at": at.isoformat(timespec="seconds"),
        "ok": all_good(results),
        "deployment": {
            "kind": deployment.kind,
            "master": deployment.master,
            "sentinels": picture.sentinels,
            "shards": [
                {
                    "primary": str(shard.primary.address),
                    "replicas": [str(node.address) for node in shard.replicas],
                    "slots": [list(pair) for pair in shard.slots],
                }
                for shard in deployment.shards
            ],
            "slots_covered": sum(
                last - first + 1 for shard in deployment.shards for first, last in shard.slots
            ),
            "silent": {str(address): why for address, why in deployment.silent.items()},
        },
        "nodes": [dataclasses.asdict(node) for node in picture.nodes],
        "results": [result.as_dict() for result in results],
    }


def seen(target: Target) -> Picture:
    """Find the servers and ask all of them. Raises UserError if no node answers."""
    deployment = topology.find(target)
    nodes = facts_of_nodes.look(target, deployment)
    return Picture(deployment, nodes, _sentinels(target, deployment), proving.prove(target, deployment))


def _sentinels(target: Target, deployment: Deployment) -> dict[str, str]:
    """What is wrong with each Sentinel; an empty text if nothing is."""
    found: dict[str, str] = {}
    for address in deployment.sentinels:
        try:
            with servers.asked(target, address, sentinel=True) as client:
                found[str(address)] = _doubt(client, deployment)
        except UserError as error:
            found[str(address)] = error.message.removeprefix(f"{address} ")
    return found


def _doubt(client: Any, deployment: Deployment) -> str:
    named = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", deployment.master)
    if not named:
        return f"doesn't know {deployment.master}"
    primary = deployment.shards[0].primary.address
    if (text(named[0]), int(named[1])) != (primary.host, primary.port):
        return f"names {text(named[0])}:{int(named[1])}"
    try:
        client.execute_command("SENTINEL", "CKQUORUM", deployment.master)
    except ResponseError as error:
        return f"says {error}"
    return ""


def show(document: dict[str, Any]) -> None:
    """The table of nodes, and a line for each subject."""
    # late: a pod has no such library
    from rich.console import Console
    from rich.table import Table

    deployment = document["deployment"]
    said = {"cluster": f", {deployment['slots_covered']} slots", "sentinel": f", {deployment['master']}"}
    kind = deployment["kind"]
    print(f"{document['target']}: {kind}{said.get(kind, '')}, {len(deployment['shards'])} shard(s)")
    table = Table(box=None, pad_edge=False)
    for name in ("shard", "role", "address", "version", "keys", "memory", "behind", "saves"):
        table.add_column(name, justify="right" if name in ("keys", "memory", "behind") else "left")
    for each in document["nodes"]:
        table.add_row(*_row(NodeFacts(**each)))
    Console(soft_wrap=True).print(table, highlight=False)
    for each in document["results"]:
        print(Result(**each).line())


def _row(node: NodeFacts) -> list[str]:
    if node.fault:
        return [str(node.shard), node.role, node.address, "-", "-", "-", "-", "-"]
    limit = f" of {node.maxmemory / MIB:.0f}" if node.maxmemory else ""
    saves = ("RDB" if node.rdb_ok else "RDB failed") + (", AOF" if node.aof else "")
    memory = f"{node.used_memory / MIB:.1f}{limit} MiB"
    behind = f"{node.behind} B" if node.role == "replica" else ""
    return [str(node.shard), node.role, node.address, node.version, str(node.keys), memory, behind, saves]
