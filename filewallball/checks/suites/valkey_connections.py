"""How many connections applications have to each server and each Sentinel of the set."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from facts.checks.valkey import ValkeyTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.suites import crowd, valkey_nodes
from filewallball.checks.suites.valkey_nodes import Connection, Node
from filewallball.guard import choice
from filewallball.valkey.guards import SENTINEL_USERS, SERVER_USERS


def connections(config: ChecksConfig) -> str:
    """Applications have connections left everywhere."""

    def look() -> dict[str, int]:
        return {
            **_used(config, valkey_nodes.members(config), SERVER_USERS),
            **_used(config, valkey_nodes.sentinels(config), SENTINEL_USERS),
        }

    used = valkey_nodes.settled(config, look)
    return crowd.judge(used, config[ValkeyTarget].max_connections, "filewallball:valkey.maxConnections")


def _used(config: ChecksConfig, nodes: Sequence[Node], own: Collection[str]) -> dict[str, int]:
    def ask(_node: Node, link: Connection) -> int:
        clients = choice.read(str(link.call("CLIENT", "LIST")))
        return len(choice.of_applications(clients, own))

    answers = valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)
    return {str(node): count for node, count in valkey_nodes.all_answered(config, answers).items()}
