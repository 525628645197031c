"""What members and Sentinels run with, against what is declared."""

from __future__ import annotations

from collections.abc import Sequence

from facts.checks import NAME
from facts.checks.valkey import ValkeyTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import server_conf, valkey_nodes
from filewallball.checks.suites.server_conf import Directives
from filewallball.checks.suites.valkey_nodes import Connection, Node, fields, info
from filewallball.checks.suites.valkey_primary import known_primary

AT_RUN_TIME = ("bind", "replicaof")
"""Directives that close the server in its file. The agent sets them once the server has found its place."""
ANNOUNCED = "replica-announce-ip"


def configuration(config: ChecksConfig) -> str:
    """Every declared directive is in force, everywhere, and everybody knows everybody by today's address."""
    declared = server_conf.read(config[ValkeyTarget].conf, NAME)
    settled = [name for name in declared if name not in AT_RUN_TIME]

    def look() -> str:
        primary, _ = known_primary(config)
        found = _members(config, declared, primary) | _sentinels(config, primary)
        wrong = [f"{node}: {', '.join(faults)}" for node, faults in found.items() if faults]
        if wrong:
            raise CheckFailed(
                "; ".join(wrong),
                "the set runs with the stack's valkey.conf and settings",
                "Somebody used CONFIG SET or SENTINEL SET, or the pod is older than the setting. Restart it: "
                f"`kubectl -n {config.namespace} delete pod {wrong[0].split(':')[0]}`.",
            )
        return (
            f"{len(settled)} directives on {len(config[ValkeyTarget].members)} members as declared, "
            f"{len(config[ValkeyTarget].sentinels)} Sentinels know each other and every member"
        )

    return valkey_nodes.settled(config, look)


def _members(config: ChecksConfig, declared: Directives, primary: Node) -> dict[Node, list[str]]:
    def ask(_node: Node, member: Connection) -> dict[str, str]:
        return fields(member.call("CONFIG", "GET", "*"))

    nodes = valkey_nodes.members(config)
    answers = valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)
    wrong: dict[Node, list[str]] = {}
    for node, live in valkey_nodes.all_answered(config, answers).items():
        # We ask over TCP, so it is open already; `bind ""` would be the only thing that is wrong then.
        expected = {
            **{name: lines for name, lines in declared.items() if name not in AT_RUN_TIME},
            ANNOUNCED: [[node.ip]],
            "replicaof": [[""]] if node == primary else [[primary.ip, str(primary.port)]],
        }
        wrong[node] = [_told(one) for one in server_conf.differences(expected, live, "valkey.conf")]
    return wrong


def _told(one: server_conf.Difference) -> str:
    if one.directive in (*AT_RUN_TIME, ANNOUNCED):
        return f"{one.directive} is {one.live}, here it must be {one.declared}"
    return str(one)


def _sentinels(config: ChecksConfig, primary: Node) -> dict[Node, list[str]]:
    nodes = valkey_nodes.sentinels(config)
    replicas = [node for node in valkey_nodes.members(config) if node != primary]
    target = config[ValkeyTarget]

    def ask(node: Node, sentinel: Connection) -> list[str]:
        live = fields(sentinel.call("SENTINEL", "MASTER", target.master))
        wanted = {
            "quorum": target.quorum,
            "down-after-milliseconds": target.down_after_ms,
            "failover-timeout": target.failover_timeout_ms,
            "parallel-syncs": target.parallel_syncs,
        }
        wrong = [
            f"{name} is {live.get(name)}, the stack says {value}"
            for name, value in wanted.items()
            if live.get(name) != str(value)
        ]
        peers = [one for one in nodes if one != node]
        wrong += _knows("replica", _listed(sentinel, "REPLICAS", target.master), replicas)
        wrong += _knows("Sentinel", _listed(sentinel, "SENTINELS", target.master), peers)
        return wrong

    answers = valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)
    return valkey_nodes.all_answered(config, answers)


def _listed(sentinel: Connection, what: str, master: str) -> list[str]:
    entries = [fields(entry) for entry in sentinel.call("SENTINEL", what, master)]
    return [f"{entry['ip']}:{entry['port']}" for entry in entries]


def _knows(what: str, known: Sequence[str], declared: Sequence[Node]) -> list[str]:
    """What is wrong with the addresses that a Sentinel knows."""
    wanted = {node.endpoint: node for node in declared}
    wrong = [
        f"knows no {what} {node} ({endpoint})" for endpoint, node in wanted.items() if endpoint not in known
    ]
    wrong += [f"knows a {what} {one}, which is not declared" for one in known if one not in wanted]
    wrong += [f"knows {what} {one} twice" for one in wanted if known.count(one) > 1]
    return wrong


SAVES = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")


def persistence(config: ChecksConfig) -> str:
    """The last snapshot and the last write of the AOF ended well on every member."""

    def ask(_node: Node, member: Connection) -> dict[str, str]:
        return info(member.call("INFO", "persistence"))

    def look() -> str:
        nodes = valkey_nodes.members(config)
        answers = valkey_nodes.ask_all(nodes, valkey_nodes.checks_login(config), ask)
        told = valkey_nodes.all_answered(config, answers)
        wrong = [
            f"{node}: {name} is {said.get(name)}"
            for node, said in told.items()
            for name in SAVES
            if said.get(name) != "ok"
        ]
        if wrong:
            first = wrong[0].partition(":")[0]
            raise CheckFailed(
                "; ".join(wrong),
                "every member keeps its data on its volume",
                "The volume is full or broken, and a power cut would lose what isn't saved. Look at "
                f"`kubectl -n {config.namespace} logs {first} -c valkey`. If it is full, raise "
                "filewallball:valkey.storage.size, and run `fwb up`.",
            )
        return f"last save and AOF write ended well on {len(told)} members"

    return valkey_nodes.settled(config, look)
