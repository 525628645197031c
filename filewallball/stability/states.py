"""Two states compared: nodes, replicas, slots, persistence, and whether keys were lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Any

from filewallball.stability.changes import Change, Verdict, judged, told
from filewallball.stability.facts_of_nodes import QUANTILES, NodeFacts
from filewallball.stability.verdicts import MOST_BEHIND

SKEW_SECONDS = 2.0
"""A key that expires so close to the second state may be gone by then."""
MIB = 1 << 20
"""Bytes."""
SAME_MEMORY = 0.1
"""Share by which it may differ."""
SAME_BYTES = 2 * MIB
"""So much an empty server's memory may differ by, for connections and the like."""
NAMED = 3
"""Nodes that are named, of many."""
SAMPLE_ERROR = 0.05
"""How far a share may be off that comes from a sample of 2,000 keys."""


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """All rows of the table."""
    early, late = _nodes(before), _nodes(after)
    one, other = before["deployment"], after["deployment"]
    found = [told("kind", one["kind"], other["kind"])]
    if "cluster" in (one["kind"], other["kind"]):
        found.append(judged("slots covered", one["slots_covered"], other["slots_covered"], good="more"))
    found += [
        told("primaries", str(len(one["shards"])), str(len(other["shards"]))),
        _moved(early, late),
        judged("replicas that answer", _replicas(early), _replicas(late), good="more"),
        judged("nodes that do not answer", _silent(before, early), _silent(after, late), good="less"),
        told("versions", _versions(early), _versions(late)),
        _appendonly(early, late),
        _memory(early, late),
        _behind(early, late),
        told("maxmemory", _limits(early), _limits(late)),
        told("policy", _policies(early), _policies(late)),
    ]
    found += _results(before["results"], after["results"])
    return [*found, *_keys(early, late, after["at"])]


def _nodes(document: dict[str, Any]) -> list[NodeFacts]:
    return [NodeFacts(**each) for each in document["nodes"]]


def _primaries(nodes: Sequence[NodeFacts]) -> list[NodeFacts]:
    return [node for node in nodes if node.role == "primary" and not node.fault]


def _replicas(nodes: Sequence[NodeFacts]) -> int:
    return sum(node.role == "replica" and not node.fault and node.linked for node in nodes)


def _silent(document: dict[str, Any], nodes: Sequence[NodeFacts]) -> int:
    return len({node.address for node in nodes if node.fault} | set(document["deployment"]["silent"]))


def _versions(nodes: Sequence[NodeFacts]) -> str:
    return ", ".join(sorted({node.version for node in nodes if not node.fault}))


def _moved(early: Sequence[NodeFacts], late: Sequence[NodeFacts]) -> Change:
    """Roles that went from one node to another: after a failover the set is as good as before."""
    was, now = ({node.address for node in _primaries(nodes)} for nodes in (early, late))
    gone, new = sorted(was - now), sorted(now - was)
    return Change("nodes that are primaries", _some(gone, was), _some(new, now), "changed" if new else "same")


def _some(others: Sequence[str], whole: Set[str]) -> str:
    return ", ".join(others[:NAMED]) + (", …" if len(others) > NAMED else "") if others else str(len(whole))


def _memory(early: Sequence[NodeFacts], late: Sequence[NodeFacts]) -> Change:
    """What the data takes; it comes and goes with the keys. A server that is full has a row of its own."""
    was, now = (sum(node.used_memory for node in _primaries(nodes)) for nodes in (early, late))
    same = abs(now - was) <= SAME_MEMORY * was + SAME_BYTES
    return Change(
        "memory used", f"{was / MIB:.1f} MiB", f"{now / MIB:.1f} MiB", "same" if same else "changed"
    )


def _behind(early: Sequence[NodeFacts], late: Sequence[NodeFacts]) -> Change:
    """How far the last replica is behind its primary, where it is too far."""
    was, now = (max((node.behind for node in nodes), default=0) for nodes in (early, late))
    step = (now > MOST_BEHIND) - (was > MOST_BEHIND)
    verdict: Verdict = "same" if not step else "worse" if step > 0 else "better"
    return Change("bytes behind, of the last replica", str(was), str(now), verdict)


def _limits(nodes: Sequence[NodeFacts]) -> str:
    counted = Counter(node.maxmemory for node in nodes if not node.fault)
    return ", ".join(f"{limit or 'none'}" for limit in sorted(counted))


def _policies(nodes: Sequence[NodeFacts]) -> str:
    return ", ".join(sorted({node.policy for node in nodes if not node.fault}))


def _appendonly(early: Sequence[NodeFacts], late: Sequence[NodeFacts]) -> Change:
    """Of the share of nodes that keep an AOF: their number may be another one."""
    one, other = ([node.aof for node in nodes if not node.fault] for nodes in (early, late))
    shares = [sum(each) / len(each) if each else 0.0 for each in (one, other)]
    verdict: Verdict = "same" if shares[0] == shares[1] else "worse" if shares[1] < shares[0] else "better"
    return Change("nodes with an AOF", f"{sum(one)} of {len(one)}", f"{sum(other)} of {len(other)}", verdict)


def _results(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[Change]:
    """The subjects that both have, where something went wrong in one of them."""
    order = ("ok", "warning", "failed")
    early = {each["name"]: each for each in before}
    found: list[Change] = []
    for each in after:
        was, now = early.get(each["name"], each)["status"], each["status"]
        if was == now == "ok":
            continue
        step = order.index(now) - order.index(was)
        verdict: Verdict = (
            "same" if step == 0 else "better" if step < 0 else "worse" if now == "failed" else "changed"
        )
        found.append(Change(each["name"], was, now, verdict, each["observed"]))
    return found


def _keys(early: Sequence[NodeFacts], late: Sequence[NodeFacts], at: str) -> list[Change]:
    was, now = _primaries(early), _primaries(late)
    return [_lasting(was, now), _expiring(was, now, datetime.fromisoformat(at).timestamp())]


def _lasting(was: Sequence[NodeFacts], now: Sequence[NodeFacts]) -> Change:
    """Keys without a TTL: none of them goes by itself, but for those that a full cache has evicted."""
    before, after = (sum(node.keys - node.expiring for node in nodes) for nodes in (was, now))
    evicted = sum(node.evicted for node in now) - sum(node.evicted for node in was)
    lost = before - after
    if lost <= 0:
        return told("keys without a TTL", str(before), str(after))
    if lost <= evicted:
        return Change("keys without a TTL", str(before), str(after), "changed", f"{evicted} were evicted")
    return Change("keys without a TTL", str(before), str(after), "worse", f"{lost} are gone")


def _expiring(was: Sequence[NodeFacts], now: Sequence[NodeFacts], at: float) -> Change:
    """Keys with a TTL: as many as must still be there."""
    before, after = (sum(node.expiring for node in nodes) for nodes in (was, now))
    name = "keys with a TTL"
    if after >= before:
        return told(name, str(before), str(after))
    if any(node.expiries is None for node in was):
        return Change(name, str(before), str(after), "changed", "the user may not ask when they expire")
    due = sum(_due(node, at) for node in was)
    evicted = sum(node.evicted for node in now) - sum(node.evicted for node in was)
    missing = round(due - after)
    if missing <= max(0, evicted):
        return Change(name, str(before), str(after), "changed", "the others have expired, or were evicted")
    return Change(name, str(before), str(after), "worse", f"{missing} are gone before their time")


def _due(node: NodeFacts, at: float) -> float:
    """How many of the keys of then can't have expired yet, at the least."""
    if not node.expiries:
        return 0.0
    left = sum(expiry > at + SKEW_SECONDS for expiry in node.expiries) / len(node.expiries)
    error = 0.0 if node.expiring == len(node.expiries) and node.expiring <= QUANTILES else SAMPLE_ERROR
    return node.expiring * max(0.0, left - error)
