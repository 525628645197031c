"""Who gets in, and how far: nobody without the password, applications not to what is the set's own affair.

Permission is tried by really asking. The server judges the right to a command before it looks at arguments,
so each of these is given such as would do nothing where the right is there by mistake.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import exceptions

from facts import valkey
from facts.checks.valkey import ValkeyTarget
from filewallball.checks.config import ChecksConfig, read_secret
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import valkey_nodes
from filewallball.checks.suites.valkey_nodes import Connection, Login, Node

NONE = "fwb-check-none"
Words = tuple[str, ...]

MEMBER_FORBIDDEN: tuple[Words, ...] = (
    ("CONFIG", "SET", NONE, "x"),
    ("CONFIG", "GET", NONE),
    ("FLUSHALL", NONE),
    ("REPLICAOF", NONE, NONE),
    ("SHUTDOWN", NONE),
    ("FAILOVER", NONE),
    ("BGSAVE", NONE),
    ("SWAPDB", "0", "0"),
    ("SELECT", NONE),
    ("MOVE", NONE, NONE),
    ("COPY", NONE, NONE),
    ("EXISTS", valkey.CLOCK, NONE),
    ("ACL", "LIST"),
    ("MODULE", "LIST"),
    ("CLIENT", "KILL", "ID", "0"),
)
SENTINEL_FORBIDDEN: tuple[Words, ...] = (
    ("SENTINEL", "FAILOVER", NONE),
    ("SENTINEL", "SET", NONE, "quorum", "1"),
    ("SENTINEL", "RESET", NONE),
    ("SENTINEL", "REMOVE", NONE),
    ("SENTINEL", "MONITOR", NONE, "127.0.0.1", "1", "0"),
    ("SENTINEL", "CONFIG", "GET", NONE),
    ("PUBLISH", NONE, "x"),
    ("SHUTDOWN", NONE),
    ("ACL", "LIST"),
    ("CLIENT", "KILL", "ID", "0"),
)


def passwords(config: ChecksConfig) -> str:
    """Members and Sentinels want the password, take the right one, and give applications what they need."""
    target = config[ValkeyTarget]
    members, sentinels = valkey_nodes.members(config), valkey_nodes.sentinels(config)
    app, sentinel = read_secret(target.app_password_file), read_secret(target.sentinel_password_file)

    def look() -> list[str]:
        return [
            *_wrong(config, members, app, MEMBER_FORBIDDEN),
            *_wrong(config, sentinels, sentinel, SENTINEL_FORBIDDEN),
        ]

    wrong = valkey_nodes.settled(config, look)
    if wrong:
        raise CheckFailed(
            "; ".join(wrong),
            "nobody gets in without the password, and applications can't administer the set",
            "Somebody used ACL SETUSER, or the pod is older than its users.acl. Restart it: "
            f"`kubectl -n {config.namespace} delete pod {wrong[0].split()[0]}`.",
        )
    tried = len(MEMBER_FORBIDDEN) + len(SENTINEL_FORBIDDEN)
    return (
        f"{len(members) + len(sentinels)} servers refuse a missing and a wrong password, "
        f"and {tried} commands to applications"
    )


def _wrong(
    config: ChecksConfig, nodes: Sequence[Node], password: str, forbidden: Sequence[Words]
) -> list[str]:
    """What these servers do that they should not."""

    # By its full name: without a password of its own it would take no AUTH with a password alone.
    user = "default"

    def ask(node: Node, link: Connection) -> list[str]:
        # first the right one: a server that refuses everybody would pass all the rest
        link.call("PING")
        return [
            *([f"{node} answers without a password"] if _gets_in(node, Login()) else []),
            *([f"{node} takes a wrong password"] if _gets_in(node, Login(user, password + "x")) else []),
            *(f"{node} lets applications do {_command(words)}" for words in forbidden if _may(link, words)),
        ]

    answers = valkey_nodes.ask_all(nodes, Login(user, password), ask)
    refused = [node for node, one in answers.items() if isinstance(one, exceptions.AuthenticationError)]
    if refused:
        raise CheckFailed(
            "; ".join(f"{node}: {answers[node]}" for node in refused),
            "the applications' password is taken",
            f"The Secret {valkey.CREDENTIALS} is newer than the servers, which follow it within two minutes. "
            "If this lasts, restart all of them together, which takes about ten seconds without sessions: "
            f"`kubectl -n {config.namespace} delete pod -l app.kubernetes.io/component={valkey.COMPONENT}`.",
        )
    told = valkey_nodes.all_answered(config, answers)
    return [one for wrong in told.values() for one in wrong]


def _gets_in(node: Node, login: Login) -> bool:
    try:
        with valkey_nodes.connected(node, login) as link:
            link.call("PING")
    except (exceptions.AuthenticationError, exceptions.NoPermissionError):
        return False
    return True


def _may(link: Connection, words: Words) -> bool:
    try:
        link.call(*words)
    except exceptions.NoPermissionError:
        return False
    except exceptions.ResponseError:
        return True  # the right was there, and the arguments were wrong
    return True


def _command(words: Words) -> str:
    return " ".join(
        words[:2] if words[0] in ("CONFIG", "SENTINEL", "ACL", "MODULE", "CLIENT", "EXISTS") else words[:1]
    )
