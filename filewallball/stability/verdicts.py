"""What is wrong with a target, from what its nodes say: one result per subject."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filewallball.checks.result import CheckFailed, CheckWarned, Result
from filewallball.stability.facts_of_nodes import NodeFacts
from filewallball.stability.topology import SLOTS, Deployment

MOST_LAG_SECONDS = 15
"""A primary sends something at least every 10 s (repl-ping-replica-period)."""
MOST_BEHIND = 1 << 20
"""Bytes of the replication stream."""
MEMORY_WARNING = 0.8
"""Share of maxmemory."""
MEMORY_FULL = 0.95
"""Share of maxmemory, where nothing is evicted."""
EVICTS_NOTHING = "noeviction"


@dataclass(frozen=True)
class Picture:
    """All that is known: the deployment, its nodes, what the Sentinels say, which shards took no write."""

    deployment: Deployment
    nodes: Sequence[NodeFacts]
    sentinels: dict[str, str]
    unwritten: Sequence[str]

    @property
    def alive(self) -> list[NodeFacts]:
        return [node for node in self.nodes if not node.fault]


def judge(picture: Picture) -> list[Result]:
    """Every subject that this kind of deployment has."""
    cluster, sentinel = picture.deployment.kind == "cluster", picture.deployment.kind == "sentinel"
    subjects: dict[str, Callable[[Picture], None]] = {"nodes": _nodes, "roles": _roles}
    subjects |= {"slots": _slots, "cluster": _agreement} if cluster else {}
    subjects |= {"sentinels": _sentinels} if sentinel else {}
    subjects |= {"replicas": _replicas} if cluster or sentinel or len(picture.nodes) > 1 else {}
    subjects |= {
        "memory": _memory,
        "persistence": _persistence,
        "versions": _versions,
        "write-read-delete": _written,
    }
    return [_result(name, subject, picture) for name, subject in subjects.items()]


def _result(name: str, subject: Callable[[Picture], None], picture: Picture) -> Result:
    try:
        subject(picture)
    except CheckFailed as found:
        return Result(name, found.status, found.observed, found.expected, found.hint)
    return Result(name, "ok")


def _nodes(picture: Picture) -> None:
    wrong = [f"{node.address} {node.fault}" for node in picture.nodes if node.fault]
    told = {node.address for node in picture.nodes}
    wrong += [
        f"{address} does not answer: {why}"
        for address, why in picture.deployment.silent.items()
        if str(address) not in told
    ]
    wrong += [f"{node.address} is still loading its data" for node in picture.alive if node.loading]
    if wrong:
        raise CheckFailed(
            "; ".join(wrong), "every node answers", "Start the node, or see why the others can't reach it."
        )


def _roles(picture: Picture) -> None:
    wrong: list[str] = []
    for node in picture.alive:
        primary = picture.deployment.shards[node.shard].primary.address
        if node.says != node.role:
            wrong.append(f"{node.address} says it is a {node.says}")
        elif node.role == "replica" and not node.linked:
            wrong.append(f"{node.address} has no link to its primary {node.follows}")
        elif (
            node.role == "replica" and picture.deployment.kind == "sentinel" and node.follows != str(primary)
        ):
            wrong.append(f"{node.address} follows {node.follows} and not {primary}")
    if wrong:
        raise CheckFailed(
            "; ".join(wrong),
            "each shard has one primary, and its replicas follow it",
            "See the replica's log for why. If a failover is under way, wait, and run the command again.",
        )


def _slots(picture: Picture) -> None:
    missing = SLOTS - sum(
        last - first + 1 for shard in picture.deployment.shards for first, last in shard.slots
    )
    if missing:
        raise CheckFailed(
            f"{missing} of {SLOTS} slots belong to no shard",
            "all slots are covered",
            "Run `redis-cli --cluster fix` against one of the nodes.",
        )
    lost = [
        f"{shard.primary.address} ({_counted(shard.slots)} slots)"
        for shard in picture.deployment.shards
        if shard.primary.fault and shard.slots
    ]
    if lost:
        raise CheckFailed(
            f"nobody serves the slots of {', '.join(lost)}",
            "all slots are served",
            "Start the node. Or make one of its replicas the primary with CLUSTER FAILOVER FORCE.",
        )
    moving = [f"{node.address}: {len(node.moving)}" for node in picture.alive if node.moving]
    if moving:
        raise CheckWarned(
            f"slots are being moved: {', '.join(moving)}",
            "no slot is between two nodes",
            "Wait for the resharding to end, or run `redis-cli --cluster fix` if it was broken off.",
        )


def _counted(slots: Sequence[tuple[int, int]]) -> int:
    return sum(last - first + 1 for first, last in slots)


def _agreement(picture: Picture) -> None:
    states = {node.address: node.cluster.get("cluster_state", "?") for node in picture.alive}
    wrong = [f"{address} says {state}" for address, state in states.items() if state != "ok"]
    known = Counter(node.cluster.get("cluster_known_nodes", "?") for node in picture.alive)
    if len(known) > 1:
        said = [f"{node.address} {node.cluster.get('cluster_known_nodes', '?')}" for node in picture.alive]
        wrong.append(f"they know different numbers of nodes ({', '.join(said)})")
    if wrong:
        raise CheckFailed(
            "; ".join(wrong),
            "every node says cluster_state:ok and knows the same nodes",
            "Run `redis-cli --cluster check` against one of the nodes, and do what it says.",
        )


def _sentinels(picture: Picture) -> None:
    if wrong := [f"{address} {why}" for address, why in picture.sentinels.items() if why]:
        raise CheckFailed(
            "; ".join(wrong),
            f"every Sentinel names {picture.deployment.shards[0].primary.address} and sees a quorum",
            "Start the Sentinels that are missing. If a failover is under way, wait, and run it again.",
        )


def _replicas(picture: Picture) -> None:
    behind = [
        f"{node.address} is {node.behind} bytes behind and heard from its primary {node.lag_seconds} s ago"
        for node in picture.alive
        if node.role == "replica" and (node.behind > MOST_BEHIND or node.lag_seconds > MOST_LAG_SECONDS)
    ]
    if behind:
        raise CheckFailed(
            "; ".join(behind),
            f"at most {MOST_BEHIND} bytes and {MOST_LAG_SECONDS} s behind",
            "See whether the replica or the network is overloaded, and run the command again.",
        )
    bare = [
        str(shard.primary.address)
        for shard in picture.deployment.shards
        if not any(not each.fault for each in shard.replicas)
    ]
    if bare and picture.deployment.kind != "stand-alone":
        raise CheckWarned(
            f"no replica of {', '.join(bare)} answers",
            "each primary has a replica",
            "Add a replica: without one, the data are away when the primary fails.",
        )


def _memory(picture: Picture) -> None:
    limited = [node for node in picture.alive if node.maxmemory]
    full = [
        node
        for node in limited
        if node.policy == EVICTS_NOTHING and node.used_memory > MEMORY_FULL * node.maxmemory
    ]
    if full:
        raise CheckFailed(
            "; ".join(_filled(node) for node in full),
            f"below {MEMORY_FULL:.0%} of maxmemory, as nothing is evicted",
            "Raise maxmemory, or delete keys: soon no write is taken.",
        )
    if high := [node for node in limited if node.used_memory > MEMORY_WARNING * node.maxmemory]:
        raise CheckWarned(
            "; ".join(_filled(node) for node in high),
            f"below {MEMORY_WARNING:.0%} of maxmemory",
            "Raise maxmemory, unless the server is a cache that evicts.",
        )


def _filled(node: NodeFacts) -> str:
    return f"{node.address} uses {node.used_memory / node.maxmemory:.0%} of maxmemory"


def _persistence(picture: Picture) -> None:
    wrong = [f"the last RDB save of {node.address} failed" for node in picture.alive if not node.rdb_ok]
    wrong += [
        f"the last write to the AOF of {node.address} failed" for node in picture.alive if not node.aof_ok
    ]
    if wrong:
        raise CheckFailed(
            "; ".join(wrong), "the last save was good", "See the server's log and whether its disk is full."
        )


def _versions(picture: Picture) -> None:
    versions = Counter(node.version for node in picture.alive)
    if len(versions) > 1:
        said = ", ".join(f"{version} on {count}" for version, count in versions.most_common())
        raise CheckWarned(
            f"the nodes run different versions: {said}", "one version", "End the upgrade that has begun."
        )


def _written(picture: Picture) -> None:
    if picture.unwritten:
        raise CheckFailed(
            "; ".join(picture.unwritten),
            "a key is written, read and deleted on every shard",
            "Correct what the server says, and run the command again.",
        )
