"""Which shard of a cluster has which slot, and what has changed since: slots move while a backup is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from redis.crc import key_slot

from filewallball.snapshots.settings import Address
from filewallball.stability import members, topology
from filewallball.stability.keys.wire import Lost, Refused, Wire
from filewallball.stability.targets import Target
from filewallball.stability.topology import SLOTS, Deployment

NOBODY = -1


@dataclass(frozen=True)
class Slots:
    """`owners`: of each slot the node that has it. `moving`: a slot on its way, from one node to another."""

    owners: tuple[str, ...]
    moving: dict[int, tuple[str, str]]
    addresses: dict[str, Address]


def seen(target: Target, deployment: Deployment) -> Slots:
    """What each primary says of itself. Raises Lost."""
    owners = [""] * SLOTS
    moving: dict[int, tuple[str, str]] = {}
    addresses: dict[str, Address] = {}
    for shard in deployment.shards:
        address = shard.primary.address
        try:
            with Wire.to(target, address) as wire:
                view = members.parsed(wire.run("CLUSTER", "NODES").decode(), address)
        except Refused as error:
            raise Lost(f"{address}: {error.text}", "See that the cluster is whole.") from error
        own = next(member for member in view if member.myself)
        addresses[own.node_id] = address
        for first, last in own.slots:
            owners[first : last + 1] = [own.node_id] * (last + 1 - first)
        for mark in own.moving:
            slot, arrow, other = mark.strip("[]").partition("->-")
            if arrow:
                moving[int(slot)] = own.node_id, other
            else:
                slot, _, other = mark.strip("[]").partition("-<-")
                moving[int(slot)] = other, own.node_id
    return Slots(tuple(owners), moving, addresses)


def families(deployment: Deployment) -> dict[str, int]:
    """Of each node the number of its shard: a replica that took over has the same keys."""
    return {node.node_id: number for number, shard in enumerate(deployment.shards) for node in shard}


def owners(found: Slots, family: dict[str, int]) -> tuple[int, ...]:
    """Of each slot the number of its shard; NOBODY where there is none of these."""
    return tuple(family.get(owner, NOBODY) for owner in found.owners)


def changed(before: Sequence[int], after: Sequence[int]) -> set[int]:
    return {slot for slot, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}


def of(names: Sequence[bytes]) -> set[int]:
    return {key_slot(name) for name in names}


def homes(found: Slots, slots: set[int]) -> Iterator[tuple[Address, int, bool]]:
    """Where the keys of the slots are: an address, a slot, and whether that node is only receiving it.

    For a slot on its way the giver comes first: keys go only from there to the other.
    """
    for slot in sorted(slots):
        giver, taker = found.moving.get(slot, (found.owners[slot], ""))
        if giver in found.addresses:
            yield found.addresses[giver], slot, False
        if taker in found.addresses:
            yield found.addresses[taker], slot, True


def now(target: Target) -> tuple[Deployment, Slots]:
    """Raises Lost, UserError."""
    deployment = topology.find(target)
    return deployment, seen(target, deployment)
