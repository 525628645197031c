"""The Sentinels and the primary that they name: enough of them, of one mind, and the server agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from redis import exceptions

from facts import valkey
from facts.checks.valkey import ValkeyTarget
from facts.valkey import CLOCK, CLOCK_DB
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import valkey_nodes
from filewallball.checks.suites.valkey_nodes import Connection, Node, fields


def quorum(config: ChecksConfig) -> str:
    """Every declared Sentinel answers, and each could have a failover agreed on by all of them."""
    return valkey_nodes.settled(config, lambda: _quorum(config))


def _quorum(config: ChecksConfig) -> str:
    def ask(_node: Node, sentinel: Connection) -> str:
        try:
            return str(sentinel.call("SENTINEL", "CKQUORUM", config[ValkeyTarget].master))
        except exceptions.ResponseError as error:
            # NOPERM and the like are no answers to the question
            if type(error) is not exceptions.ResponseError:
                raise
            return str(error)

    nodes = valkey_nodes.sentinels(config)
    answers = valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)
    told = valkey_nodes.all_answered(config, answers)
    wanted = f"OK {len(nodes)} usable Sentinels"
    wrong = [f"{node}: {answer}" for node, answer in told.items() if not answer.startswith(wanted)]
    if wrong:
        raise CheckFailed(
            "; ".join(wrong),
            f"each says {wanted}",
            "A smaller number: that Sentinel can't reach others. A larger one: it knows one that is gone. No "
            "such master: it has lost its configuration. Look at "
            f"`kubectl -n {config.namespace} get pods,networkpolicies`. If all pods run, restart the "
            f"Sentinels: `kubectl -n {config.namespace} rollout restart statefulset/{valkey.SENTINEL}`.",
        )
    return f"{wanted}, {config[ValkeyTarget].quorum} can have a failover"


@dataclass(frozen=True, slots=True)
class View:
    """What one Sentinel says of the primary: address, flags, number of the failover that chose it.

    `replicas` are the flags of those that it would choose the next one from, by address.
    """

    endpoint: str
    flags: str
    epoch: int
    replicas: Mapping[str, str]


def primary(config: ChecksConfig) -> str:
    """All Sentinels name one member as the primary, it says so itself, and no other does."""
    return valkey_nodes.settled(config, lambda: _primary(config))


def _primary(config: ChecksConfig) -> str:
    members = valkey_nodes.members(config)
    views = valkey_nodes.all_answered(config, _views(config))
    named = _one_name(config, views, members)
    for node, view in views.items():
        if view.flags != "master":
            raise CheckFailed(
                f"{node} says {view.flags} of {named}",
                "every Sentinel sees the primary up, and no failover under way",
                "A failover takes some seconds. Run the check again. If it fails again, look at "
                f"`kubectl -n {config.namespace} logs {node}`.",
            )
    silent = _roles(config, members, named)
    epoch = _epoch(config, views, named)
    return f"{named} in epoch {epoch}, named by {len(views)} Sentinels{silent}"


def _views(config: ChecksConfig) -> dict[Node, valkey_nodes.Answer[View]]:
    def ask(_node: Node, sentinel: Connection) -> View:
        said = fields(sentinel.call("SENTINEL", "MASTER", config[ValkeyTarget].master))
        # what clients go by, which during a failover is ahead of the rest
        ip, port = sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", config[ValkeyTarget].master)
        listed = [fields(one) for one in sentinel.call("SENTINEL", "REPLICAS", config[ValkeyTarget].master)]
        replicas = {f"{one['ip']}:{one['port']}": one["flags"] for one in listed}
        return View(f"{ip}:{port}", said["flags"], int(said["config-epoch"]), replicas)

    nodes = valkey_nodes.sentinels(config)
    return valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)


def _one_name(config: ChecksConfig, views: Mapping[Node, View], members: list[Node]) -> Node:
    named: dict[str, list[Node]] = {}
    for node, view in views.items():
        named.setdefault(view.endpoint, []).append(node)
    if len(named) > 1:
        camps = [f"{_names(nodes)} say {_member(endpoint, members)}" for endpoint, nodes in named.items()]
        raise CheckFailed(
            "; ".join(camps),
            f"all {len(views)} Sentinels name the same primary",
            "Sentinels that reach each other agree within seconds, so something keeps these apart: a "
            "NetworkPolicy or a broken node. Look at "
            f"`kubectl -n {config.namespace} get pods,networkpolicies -o wide`, and restart the Sentinel "
            f"that is wrong: `kubectl -n {config.namespace} delete pod {min(named.values(), key=len)[0]}`.",
        )
    [endpoint] = named
    for member in members:
        if member.endpoint == endpoint:
            return member
    raise CheckFailed(
        f"the Sentinels name {endpoint}",
        f"one of the declared members: {_listed(members)}",
        "A Service was deleted and made again, and has another address now. Run "
        f"`kubectl -n {config.namespace} rollout restart statefulset/{valkey.SENTINEL}`. When that has "
        f"ended, run `kubectl -n {config.namespace} rollout restart statefulset/{valkey.NAME}`.",
    )


def _names(nodes: list[Node]) -> str:
    return ", ".join(map(str, nodes))


def _listed(nodes: list[Node]) -> str:
    return ", ".join(f"{node} ({node.endpoint})" for node in nodes)


def _member(endpoint: str, members: list[Node]) -> str:
    for member in members:
        if member.endpoint == endpoint:
            return f"{member} ({endpoint})"
    return f"{endpoint}, which is no member"


def _roles(config: ChecksConfig, members: list[Node], named: Node) -> str:
    """Raises CheckFailed unless just the named one says master. Returns a remark on those that are silent:
    what can't be reached takes no writes, and is for valkey-replicas to tell."""

    def ask(_node: Node, member: Connection) -> str:
        return str(member.call("ROLE")[0])

    answers = valkey_nodes.ask_all(members, valkey_nodes.checks_login(config), ask)
    own = answers[named]
    if isinstance(own, exceptions.RedisError):
        raise valkey_nodes.fault(config, named, own)
    roles = valkey_nodes.answered(answers)
    masters = [node for node, role in roles.items() if role == "master"]
    if masters != [named]:
        wrong = [
            f"{node} says {roles[node]}" for node in roles if (roles[node] == "master") != (node == named)
        ]
        raise CheckFailed(
            f"the Sentinels name {named}; {', '.join(wrong)}",
            "that member says master, and every other one slave",
            "A member's agent corrects this within seconds. If the check fails again, look why it doesn't: "
            f"`kubectl -n {config.namespace} logs {wrong[0].split()[0]} -c agent`.",
        )
    silent = [str(node) for node in members if node not in roles]
    return f"; no answer from {', '.join(silent)}" if silent else ""


def _epoch(config: ChecksConfig, views: Mapping[Node, View], named: Node) -> int:
    """The failover since which the member is primary, by every Sentinel's count and by its own agent's."""
    epochs = {str(node): view.epoch for node, view in views.items()}
    with valkey_nodes.connected(named, valkey_nodes.checks_login(config)) as member:
        try:
            member.call("SELECT", CLOCK_DB)
            [own] = member.call("HMGET", CLOCK, "epoch")
        except exceptions.RedisError as error:
            raise valkey_nodes.fault(config, named, error) from error
    epochs[f"{named}'s agent"] = int(own) if own is not None else -1
    if len(set(epochs.values())) > 1:
        told = ", ".join(f"{name} {'none' if epoch < 0 else epoch}" for name, epoch in epochs.items())
        raise CheckFailed(
            f"the primary's epoch: {told}",
            "the same one everywhere",
            "Those with a lower number missed a failover. Look what keeps them apart: "
            f"`kubectl -n {config.namespace} get pods,networkpolicies -o wide` and "
            f"`kubectl -n {config.namespace} logs {named} -c agent`.",
        )
    return next(iter(epochs.values()))


def known_primary(config: ChecksConfig) -> tuple[Node, dict[Node, View]]:
    """The member that most Sentinels name, and what each one says. Raises CheckFailed where there is none."""
    views = valkey_nodes.answered(_views(config))
    for member in valkey_nodes.members(config):
        votes = sum(view.endpoint == member.endpoint for view in views.values())
        if votes > len(config[ValkeyTarget].sentinels) // 2:
            return member, views
    raise CheckFailed(
        f"no member is named as the primary by more than half of {len(config[ValkeyTarget].sentinels)}"
        " Sentinels",
        "a primary that clients find",
        "Run `fwb check STACK valkey-quorum valkey-primary`, and do what these checks say.",
    )
