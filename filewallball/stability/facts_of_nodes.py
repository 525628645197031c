"""What each server says of itself: one picture of all nodes, taken at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import NoPermissionError, ResponseError

from filewallball.errors import UserError
from filewallball.stability import servers
from filewallball.stability.servers import fields, info, text
from filewallball.stability.targets import Target
from filewallball.stability.topology import Deployment, Node, Shard

SAMPLE = 2000
"""So many keys of a primary are asked when they expire. SCAN gives them in no order: a fair sample."""
SCAN_COUNT = 500
QUANTILES = 100
WORKERS = 8


@dataclass(frozen=True)
class NodeFacts:
    """One server. Memory in bytes, times in seconds; -1 for what it doesn't say.

    `says`: primary or replica, in its own words; `follows` and `linked` are a replica's. `behind`: bytes of
    the replication stream that a replica hasn't got yet. `expiring`: keys with a TTL. `expiries`: when
    those of a sample expire, as seconds since 1970, at equal shares of them; None where it may not be asked.
    """

    address: str
    shard: int
    role: str
    fault: str = ""
    says: str = ""
    follows: str = ""
    linked: bool = True
    version: str = ""
    uptime: int = -1
    keys: int = 0
    expiring: int = 0
    expiries: tuple[float, ...] | None = None
    used_memory: int = 0
    maxmemory: int = 0
    policy: str = ""
    clients: int = 0
    evicted: int = 0
    expired: int = 0
    offset: int = 0
    behind: int = 0
    lag_seconds: int = -1
    loading: bool = False
    rdb_ok: bool = True
    aof: bool = False
    aof_ok: bool = True
    cluster: dict[str, str] = field(default_factory=dict[str, str])
    moving: tuple[str, ...] = ()


def look(target: Target, deployment: Deployment) -> tuple[NodeFacts, ...]:
    """Ask all nodes at the same time. What doesn't answer is there with its fault."""
    places = [
        (number, "primary" if node is shard.primary else "replica", node, shard)
        for number, shard in enumerate(deployment.shards)
        for node in shard
    ]
    with ThreadPoolExecutor(WORKERS) as pool:
        asked = [pool.submit(_look, target, deployment, *place) for place in places]
    return tuple(each.result() for each in asked)


def _look(
    target: Target, deployment: Deployment, number: int, role: str, node: Node, shard: Shard
) -> NodeFacts:
    address = str(node.address)
    if node.fault:
        return NodeFacts(address, number, role, node.fault, linked=False)
    try:
        with servers.asked(target, node.address) as client:
            said = info(client.execute_command("INFO", "all"))
            cluster = deployment.kind == "cluster"
            in_cluster = info(client.execute_command("CLUSTER", "INFO")) if cluster else {}
            moving = _moving(client) if cluster else ()
            expiries = _expiries(client) if role == "primary" else None
            head = _offset_of(target, shard) if role == "replica" and not shard.primary.fault else 0
    except UserError as error:
        return NodeFacts(address, number, role, error.message, linked=False)
    return _facts(address, number, role, said, in_cluster, moving, expiries, head)


def _facts(
    address: str,
    number: int,
    role: str,
    said: dict[str, str],
    in_cluster: dict[str, str],
    moving: tuple[str, ...],
    expiries: tuple[float, ...] | None,
    head: int,
) -> NodeFacts:
    replica = said.get("role") == "slave"
    offset = _int(said, "slave_repl_offset" if replica else "master_repl_offset")
    spaces = [value for name, value in said.items() if name.startswith("db") and name[2:].isdigit()]
    counts = [fields(value) for value in spaces]
    product = "valkey" if "valkey_version" in said else "redis"
    return NodeFacts(
        address,
        number,
        role,
        says="replica" if replica else "primary",
        follows=f"{said['master_host']}:{said['master_port']}" if replica else "",
        linked=not replica
        or (said.get("master_link_status") == "up" and said.get("master_sync_in_progress") != "1"),
        version=f"{product} {said.get(f'{product}_version', '?')}",
        uptime=_int(said, "uptime_in_seconds", -1),
        keys=sum(_int(each, "keys") for each in counts),
        expiring=sum(_int(each, "expires") for each in counts),
        expiries=expiries,
        used_memory=_int(said, "used_memory"),
        maxmemory=_int(said, "maxmemory"),
        policy=said.get("maxmemory_policy", ""),
        clients=_int(said, "connected_clients"),
        evicted=_int(said, "evicted_keys"),
        expired=_int(said, "expired_keys"),
        offset=offset,
        behind=max(0, head - offset) if replica else 0,
        lag_seconds=_int(said, "master_last_io_seconds_ago", -1) if replica else -1,
        loading=said.get("loading") == "1",
        rdb_ok=said.get("rdb_last_bgsave_status", "ok") == "ok",
        aof=said.get("aof_enabled") == "1",
        aof_ok=said.get("aof_last_write_status", "ok") == "ok"
        and said.get("aof_last_bgrewrite_status", "ok") == "ok",
        cluster=in_cluster,
        moving=moving,
    )


def _moving(client: Any) -> tuple[str, ...]:
    lines = text(client.execute_command("CLUSTER", "NODES")).splitlines()
    own = [line.split()[8:] for line in lines if "myself" in line.split()[2]]
    return tuple(word for words in own for word in words if word.startswith("["))


def _offset_of(target: Target, shard: Shard) -> int:
    """How far the primary was before the replica was asked."""
    try:
        with servers.asked(target, shard.primary.address) as client:
            return _int(info(client.execute_command("INFO", "replication")), "master_repl_offset")
    except UserError:
        return 0


def _expiries(client: Any) -> tuple[float, ...] | None:
    """When the keys of a sample expire, in order; None where the user may not know."""
    found: list[float] = []
    try:
        seen, cursor = 0, b"0"
        while seen < SAMPLE:
            cursor, keys = client.execute_command("SCAN", cursor, "COUNT", SCAN_COUNT)
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.execute_command("PTTL", key)
            now = time.time()
            answers: Sequence[Any] = pipe.execute() if keys else ()
            found += [now + ttl / 1000 for ttl in answers if ttl >= 0]
            seen += len(keys)
            if cursor in (b"0", 0):
                break
    except (NoPermissionError, ResponseError):
        return None
    found.sort()
    return quantiles(found)


def quantiles(values: Sequence[float]) -> tuple[float, ...]:
    """At most QUANTILES of them, at equal distances. `values` are in order."""
    if len(values) <= QUANTILES:
        return tuple(round(value, 1) for value in values)
    step = (len(values) - 1) / (QUANTILES - 1)
    return tuple(round(values[round(number * step)], 1) for number in range(QUANTILES))


def _int(said: dict[str, str], name: str, otherwise: int = 0) -> int:
    value = said.get(name, "")
    return int(value) if value.lstrip("-").isdigit() else otherwise
