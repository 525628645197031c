"""What a node of a Redis Cluster says of all of them: the reply to CLUSTER NODES."""

from __future__ import annotations

from dataclasses import dataclass

from filewallball.snapshots.settings import Address


@dataclass(frozen=True)
class Member:
    """One line. `follows`: whose replica it is, empty for a primary. `moving`: slots in migration."""

    node_id: str
    address: Address
    myself: bool
    follows: str
    epoch: int
    fault: str
    slots: tuple[tuple[int, int], ...]
    moving: tuple[str, ...]


def parsed(reply: str, asked: Address) -> list[Member]:
    """The members that have a place in the cluster. `asked`: who has replied; it may not know its address."""
    found: list[Member] = []
    for line in reply.splitlines():
        node_id, where, flags_, follows, _, _, epoch, link, *slots = line.split()
        flags = set(flags_.split(","))
        if flags & {"handshake", "noaddr"}:
            continue
        host, _, port = where.partition(",")[0].partition("@")[0].rpartition(":")
        ranges = [word.partition("-") for word in slots if not word.startswith("[")]
        found.append(
            Member(
                node_id,
                Address(host or asked.host, int(port)),
                "myself" in flags,
                "" if follows == "-" else follows,
                int(epoch),
                _fault(flags, link),
                tuple((int(first), int(last or first)) for first, _, last in ranges),
                tuple(word for word in slots if word.startswith("[")),
            )
        )
    return found


def _fault(flags: set[str], link: str) -> str:
    if "fail" in flags:
        return "the cluster counts it as failed"
    if "fail?" in flags:
        return "another node can't reach it"
    return "" if link == "connected" or "myself" in flags else "another node has no link to it"


def weight(view: list[Member]) -> tuple[int, int]:
    """How much a view knows: the newest configuration, then the most slots."""
    slots = sum(last - first + 1 for each in view for first, last in each.slots)
    return max(each.epoch for each in view), slots
