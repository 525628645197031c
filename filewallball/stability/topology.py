"""Which servers a target has: found by asking the nodes that are named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from filewallball.errors import ConfigError, UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import members, servers
from filewallball.stability.members import Member
from filewallball.stability.servers import Unreachable, info, pairs, text
from filewallball.stability.targets import Target

Kind = Literal["stand-alone", "sentinel", "cluster"]
SLOTS = 16384


@dataclass(frozen=True)
class Node:
    """A server. `fault`: why the others, or this machine, can't use it; empty if all is well."""

    address: Address
    node_id: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Shard:
    """A primary and its replicas. `slots`: first and last of each range; none outside of a cluster."""

    primary: Node
    replicas: tuple[Node, ...] = ()
    slots: tuple[tuple[int, int], ...] = ()

    def __iter__(self) -> Iterator[Node]:
        yield self.primary
        yield from self.replicas


@dataclass(frozen=True)
class Deployment:
    """All servers of a target. `master`: the Sentinels' name for the set.

    `silent`: named nodes that don't answer, with the reason.
    """

    kind: Kind
    shards: tuple[Shard, ...]
    sentinels: tuple[Address, ...] = ()
    master: str = ""
    silent: dict[Address, str] = field(default_factory=dict[Address, str])

    def nodes(self) -> Iterator[Node]:
        for shard in self.shards:
            yield from shard

    def shard_of(self, slot: int) -> Shard | None:
        """The shard that has the slot; None for one that nobody has. Outside of a cluster the only one."""
        if self.kind != "cluster":
            return self.shards[0]
        return next((each for each in self.shards if any(a <= slot <= b for a, b in each.slots)), None)


def find(target: Target) -> Deployment:
    """Ask the target's nodes. Raises UserError if none answers, ConfigError if they don't belong together."""
    modes: dict[Address, str] = {}
    silent: dict[Address, str] = {}
    last: UserError | None = None
    for address in target.nodes:
        try:
            modes[address] = _mode(target, address)
        except Unreachable as error:
            silent[address], last = error.why, error
    if not modes:
        said = "; ".join(f"{address}: {why}" for address, why in silent.items())
        raise UserError(f"No node of {target.name} answers: {said}", last.hint if last else "")
    kinds = set(modes.values()) - {"sentinel"} if "cluster" not in modes.values() else set(modes.values())
    if len(kinds) > 1 or ("sentinel" in modes.values() and "cluster" in modes.values()):
        said = ", ".join(f"{address} is of kind {mode}" for address, mode in modes.items())
        raise ConfigError(f"The nodes of {target.name} don't belong together: {said}", _APART.format(target))
    if "cluster" in modes.values():
        return _cluster(target, list(modes), silent)
    sentinels = [address for address, mode in modes.items() if mode == "sentinel"]
    if sentinels:
        return _sentinel_set(target, sentinels, silent)
    return _stand_alone(target, list(modes), silent)


_APART = "Name the nodes of one deployment in {0.source}."


def _mode(target: Target, address: Address) -> str:
    """What INFO says of the node: standalone, cluster or sentinel.

    Which of them it is isn't known before, nor thus which password it takes.
    """
    access = target.access
    separate = access.sentinel_password != access.password or access.sentinel_username != access.username
    refused: ConfigError | None = None
    for sentinel in (False, True) if separate else (False,):
        try:
            with servers.asked(target, address, sentinel=sentinel) as client:
                return _named(info(client.execute_command("INFO", "server")))
        except ConfigError as error:
            refused = refused or error
    raise refused or ConfigError(f"{address} refuses the login", "Correct the password.")


def _named(found: dict[str, str]) -> str:
    return found.get("server_mode") or found.get("redis_mode") or "standalone"


def _stand_alone(target: Target, nodes: list[Address], silent: dict[Address, str]) -> Deployment:
    """One server, or a primary with replicas that no Sentinel of ours watches."""
    if target.forwarded:
        return _forwarded(target, nodes[0])
    primaries: dict[Address, list[Address]] = {}
    for address in nodes:
        primary = _primary_of(target, address)
        primaries.setdefault(primary, []).append(address)
    if len(primaries) > 1:
        said = "; ".join(f"{' and '.join(map(str, each))} of {one}" for one, each in primaries.items())
        raise ConfigError(
            f"The nodes of {target.name} belong to different primaries: {said}", _APART.format(target)
        )
    [address] = primaries
    primary = _seen(target, address)
    replicas = set(nodes) - {address}
    if not primary.fault:
        replicas |= _replicas_of(target, address)
    found = tuple(_seen(target, each) for each in sorted(replicas))
    return Deployment("stand-alone", (Shard(primary, found),), silent=silent)


def _forwarded(target: Target, address: Address) -> Deployment:
    """What the server says of others is good inside its cluster alone."""
    if _info(target, address, "replication").get("role") == "slave":
        raise UserError(
            f"The primary of {target.source} is another one by now", "Run the command again, which finds it."
        )
    return Deployment("stand-alone", (Shard(_seen(target, address)),))


def _primary_of(target: Target, address: Address) -> Address:
    """The node itself, or whom it follows, however long the chain."""
    seen = [address]
    while True:
        try:
            replication = _info(target, seen[-1], "replication")
        except Unreachable:  # it is named as a primary, and doesn't answer: the state says so
            return seen[-1]
        if replication.get("role") != "slave":
            return seen[-1]
        above = Address(replication["master_host"], int(replication["master_port"]))
        if above in seen:
            raise UserError(
                f"The replicas of {target.name} follow one another in a circle: {', '.join(map(str, seen))}",
                "Make one of them the primary with REPLICAOF NO ONE.",
            )
        seen.append(above)


def _replicas_of(target: Target, primary: Address) -> set[Address]:
    found: set[Address] = set()
    for name, value in _info(target, primary, "replication").items():
        if name.startswith("slave") and name[5:].isdigit():
            said = servers.fields(value)
            found.add(Address(said["ip"], int(said["port"])))
    return found


def _seen(target: Target, address: Address, node_id: str = "", fault: str = "") -> Node:
    try:
        _info(target, address, "server")
    except Unreachable as error:
        return Node(address, node_id, fault or f"does not answer: {error.why}")
    return Node(address, node_id, fault)


def _info(target: Target, address: Address, section: str) -> dict[str, str]:
    with servers.asked(target, address) as client:
        return info(client.execute_command("INFO", section))


def _sentinel_set(target: Target, sentinels: list[Address], silent: dict[Address, str]) -> Deployment:
    """What most of the named Sentinels say."""
    name = _set_name(target, sentinels[0])
    votes: Counter[Address] = Counter()
    replicas: dict[Address, str] = {}
    others: set[Address] = set()
    for address in sentinels:
        named = _ask(target, address, "GET-MASTER-ADDR-BY-NAME", name)
        if named:
            votes[Address(text(named[0]), int(named[1]))] += 1
        for each in map(pairs, _ask(target, address, "REPLICAS", name)):
            replicas.setdefault(_address(each), _fault(each))
        others |= {_address(pairs(each)) for each in _ask(target, address, "SENTINELS", name)}
    [(primary, _)] = votes.most_common(1)
    found = [_seen(target, each, fault=fault) for each, fault in sorted(replicas.items()) if each != primary]
    shard = Shard(_seen(target, primary), tuple(found))
    return Deployment("sentinel", (shard,), tuple(sorted({*sentinels, *others})), name, silent)


def _set_name(target: Target, sentinel: Address) -> str:
    names = [pairs(each)["name"] for each in _ask(target, sentinel, "MASTERS")]
    wanted = target.access.master
    if wanted in names or (wanted is None and len(names) == 1):
        return wanted or names[0]
    known = ", ".join(names) or "none"
    raise ConfigError(
        f"The Sentinel {sentinel} knows {known}" + (f", and not {wanted}" if wanted else ""),
        f"Write {target.variable('MASTER')}=NAME into {target.env_file}.",
    )


def _ask(target: Target, sentinel: Address, *words: str) -> Any:
    with servers.asked(target, sentinel, sentinel=True) as client:
        return client.execute_command("SENTINEL", *words) or []


def _address(fields: dict[str, str]) -> Address:
    return Address(fields["ip"], int(fields["port"]))


def _fault(fields: dict[str, str]) -> str:
    down = {"s_down", "o_down", "disconnected"} & set(fields.get("flags", "").split(","))
    return f"the Sentinels say: {', '.join(sorted(down))}" if down else ""


def _cluster(target: Target, nodes: list[Address], silent: dict[Address, str]) -> Deployment:
    """What the node says that knows most slots: one that was cut off may know an older state."""
    views: list[list[Member]] = []
    named: dict[str, Address] = {}
    for address in nodes:
        with servers.asked(target, address) as client:
            view = members.parsed(text(client.execute_command("CLUSTER", "NODES")), address)
        views.append(view)
        named |= {each.node_id: address for each in view if each.myself}
    view = max(views, key=members.weight)
    if strangers := set(named) - {each.node_id for each in view}:
        apart = ", ".join(str(named[each]) for each in strangers)
        raise ConfigError(f"The cluster of {target.name} doesn't know {apart}", _APART.format(target))

    def node(each: Member) -> Node:
        # A node that is named is reached as it is named there, whatever address it announces.
        address = named.get(each.node_id, each.address)
        return _seen(target, address, each.node_id, each.fault)

    shards: list[Shard] = []
    for each in view:
        followers = [other for other in view if other.follows == each.node_id]
        # Without slots and replicas it is an empty node, which has no part in the data yet.
        if not each.follows and (each.slots or followers):
            shards.append(Shard(node(each), tuple(map(node, followers)), each.slots))
    if not shards:
        raise UserError(
            f"The cluster of {target.name} has no slots yet", "Create it with `redis-cli --cluster create`."
        )
    shards.sort(key=lambda shard: shard.slots or ((SLOTS, SLOTS),))
    return Deployment("cluster", tuple(shards), silent=silent)
