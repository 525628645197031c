"""The replicas: linked to the primary, hardly behind it, and good to read from."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from redis import exceptions

from facts.checks.valkey import ValkeyTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import valkey_nodes
from filewallball.checks.suites.redis_session import PREFIX
from filewallball.checks.suites.valkey_nodes import Connection, Node, info
from filewallball.checks.suites.valkey_primary import View, known_primary

ROUNDS = 3
"""One slow round may be the fault of another program on the machine. If all are slow, it is the set or the
network.
"""
POLL_SECONDS = 0.002
TTL_MS = 60_000
"""The keys expire by themselves if this run is killed."""
TTL_SLACK_MS = 1_000
PATIENCE_SECONDS = 5.0
NEVER = float("inf")


def replicas(config: ChecksConfig) -> str:
    """Every member but the primary is its replica, in sync; then how long a write takes to get there."""
    primary, others = valkey_nodes.settled(config, lambda: _linked(config))
    best: dict[Node, float] = {}
    for _ in range(ROUNDS):
        seen = _lags(config, primary, others)
        if not best or max(seen.values()) < max(best.values()):
            best = seen
        if max(best.values()) <= config[ValkeyTarget].max_lag_seconds:
            return f"of {primary}: {_behind(config, best)}, acknowledged by all"
    limit = config[ValkeyTarget].max_lag_seconds
    slowest = max(best, key=lambda node: best[node])
    raise CheckFailed(
        f"a write on {primary} reached {_behind(config, best)}, the best of {ROUNDS} rounds",
        f"all of them within {limit:g} s",
        "The replica or its node has too little CPU, or the network is slow. Look at "
        f"`kubectl -n {config.namespace} top pod` and `kubectl -n {config.namespace} logs {slowest} -c "
        "valkey`.",
    )


def _behind(config: ChecksConfig, lags: dict[Node, float]) -> str:
    limit = config[ValkeyTarget].max_lag_seconds
    return ", ".join(
        f"{node} not within {limit:g} s" if lag == NEVER else f"{node} after {lag * 1000:.0f} ms"
        for node, lag in lags.items()
    )


def _linked(config: ChecksConfig) -> tuple[Node, list[Node]]:
    def ask(_node: Node, member: Connection) -> dict[str, str]:
        return info(member.call("INFO", "replication"))

    primary, views = known_primary(config)
    members = valkey_nodes.members(config)
    answers = valkey_nodes.ask_all(members, valkey_nodes.checks_login(config), ask)
    told = valkey_nodes.all_answered(config, answers)
    online = _online(told[primary])
    wrong: list[str] = []
    others = [member for member in members if member != primary]
    for node in others:
        if reason := _unlinked(told[node], primary):
            wrong.append(f"{node} {reason}")
        elif node.endpoint not in online:
            wrong.append(f"{primary} doesn't count {node} ({node.endpoint}) among its replicas")
        else:
            wrong += _doubted(node, views)
    if wrong:
        raise CheckFailed(
            "; ".join(wrong),
            f"every other member is a replica of {primary}, its link up",
            f"Look at `kubectl -n {config.namespace} logs {_first(wrong)} -c agent`, which says what it "
            f"waits for, and at `kubectl -n {config.namespace} logs {_first(wrong)} -c valkey`, which says "
            "why the link fails.",
        )
    return primary, others


def _doubted(node: Node, views: Mapping[Node, View]) -> list[str]:
    """Which Sentinels would not make the replica the next primary, as they can't reach it."""
    seen = {sentinel: view.replicas.get(node.endpoint, "slave") for sentinel, view in views.items()}
    return [f"{node} is {flags} to {sentinel}" for sentinel, flags in seen.items() if flags != "slave"]


def _first(wrong: Sequence[str]) -> str:
    return wrong[0].split()[0]


def _unlinked(said: dict[str, str], primary: Node) -> str:
    """Why a member is no good replica of the primary; empty if it is."""
    if said["role"] != "slave":
        return f"says {said['role']}"
    source = f"{said['master_host']}:{said['master_port']}"
    if source != primary.endpoint:
        return f"follows {source} instead of {primary} ({primary.endpoint})"
    if said.get("master_sync_in_progress") == "1":
        return f"is still taking a full copy from {primary}"
    if said["master_link_status"] != "up":
        since = said.get("master_link_down_since_seconds", "?")
        return f"has had no link to {primary} for {since} s"
    return ""


def _online(said: dict[str, str]) -> set[str]:
    """The addresses of the replicas that the primary sends its writes to."""
    found: set[str] = set()
    for name, value in said.items():
        if name.startswith("slave") and name[5:].isdigit():
            pairs = (part.partition("=") for part in value.split(","))
            parts = {key: told for key, _, told in pairs}
            if parts["state"] == "online":
                found.add(f"{parts['ip']}:{parts['port']}")
    return found


def _lags(config: ChecksConfig, primary: Node, others: Sequence[Node]) -> dict[Node, float]:
    """Seconds from a write on the primary until each replica gives its value; infinite beyond the limit.

    INFO's own lag counts whole seconds since the last sign of life, so it can't tell. A replica that has the
    value but doesn't acknowledge it would leave WAIT, and so the clients' guarantee, without effect.
    """
    limit = config[ValkeyTarget].max_lag_seconds
    with _writing(config, primary) as run, ExitStack() as stack:
        links = {node: stack.enter_context(run.reader(node)) for node in others}
        value = secrets.token_hex(8)
        begin = time.monotonic()
        run.call("SET", run.key("lag"), value, "PX", TTL_MS)

        def wait(node: Node) -> float:
            key = run.key("lag")
            return _until(lambda: _get(config, node, links[node], key) == value, begin, limit)

        with ThreadPoolExecutor(len(others)) as pool:
            lags = dict(zip(others, pool.map(wait, others), strict=True))
        if max(lags.values()) <= limit:
            count = int(run.call("WAIT", len(others), int(limit * 1000)))
            if count < len(others):
                raise CheckFailed(
                    f"{count} of {len(others)} replicas acknowledged a write within {limit:g} s",
                    "all of them",
                    f"Look at `kubectl -n {config.namespace} logs {primary} -c valkey`, which names the "
                    "replicas that don't answer.",
                )
    return lags


def _until(holds: Callable[[], bool], begin: float, limit: float) -> float:
    """Seconds since `begin` until it holds; infinite if it doesn't within the limit."""
    while not holds():
        if time.monotonic() - begin > limit:
            return NEVER
        time.sleep(POLL_SECONDS)
    return time.monotonic() - begin


def _get(config: ChecksConfig, node: Node, link: Connection, key: str) -> str | None:
    try:
        return link.call("GET", key)
    except exceptions.RedisError as error:
        raise valkey_nodes.fault(config, node, error) from error


@dataclass
class _Run:
    """A connection to the primary whose keys are removed at the end."""

    config: ChecksConfig
    primary: Node
    link: Connection
    name: str

    def key(self, name: str) -> str:
        return f"{PREFIX}{self.name}:{name}"

    def call(self, *words: str | int) -> Any:
        try:
            return self.link.call(*words)
        except exceptions.RedisError as error:
            raise _write_fault(self.config, self.primary, error) from error

    @contextmanager
    def reader(self, node: Node) -> Generator[Connection]:
        """Already open, so that connecting isn't taken for lag."""
        with valkey_nodes.connected(node, valkey_nodes.checks_login(self.config)) as link:
            _get(self.config, node, link, self.key("opened"))
            yield link


@contextmanager
def _writing(config: ChecksConfig, primary: Node) -> Generator[_Run]:
    login = valkey_nodes.checks_login(config)
    run = secrets.token_hex(4)
    with valkey_nodes.connected(primary, login) as link:
        try:
            yield _Run(config, primary, link, run)
        finally:
            # the first connection may be in the middle of a reply; should the primary be gone, they expire
            with suppress(exceptions.RedisError), valkey_nodes.connected(primary, login) as last:
                last.call("UNLINK", *(f"{PREFIX}{run}:{name}" for name in ("lag", "read", "refused")))


def _write_fault(config: ChecksConfig, primary: Node, error: exceptions.RedisError) -> CheckFailed:
    if "NOREPLICAS" in str(error):
        return CheckFailed(
            f"{primary} refused a write: {error}",
            "enough replicas in touch for the primary to take writes",
            "Run `fwb check STACK valkey-replicas`, and do what it says.",
        )
    if isinstance(error, exceptions.ReadOnlyError):
        return CheckFailed(
            f"{primary} refused a write as a replica does: {error}",
            "the primary takes writes",
            "Another member may have become the primary just now. Run `fwb check STACK` again.",
        )
    return valkey_nodes.fault(config, primary, error)


VALUES = ("first", "둘째 값 🚀")


def reads(config: ChecksConfig) -> str:
    """What is written on the primary can be read on every replica, lives as long, and goes as well."""
    primary, others = valkey_nodes.settled(config, lambda: _linked(config))
    service = valkey_nodes.reads_service(config)
    with _writing(config, primary) as run, ExitStack() as stack:
        places = [*others, *([service] if service else [])]
        links = {node: stack.enter_context(run.reader(node)) for node in places}
        key = run.key("read")
        begin = time.monotonic()
        for value in VALUES:
            run.call("SET", key, value, "PX", TTL_MS)
            for node in places:
                _expect_soon(config, primary, node, links[node], key, value)
        for node in places:
            _expect_lifetime(config, node, links[node], key, begin)
        for node in others:
            _expect_refusal(config, node, links[node], run.key("refused"))
        run.call("DEL", key)
        for node in places:
            _expect_soon(config, primary, node, links[node], key, None)
    return f"write, overwrite, lifetime and delete seen on {', '.join(map(str, places))}"


def _expect_soon(
    config: ChecksConfig, primary: Node, node: Node, link: Connection, key: str, value: str | None
) -> None:
    begin = time.monotonic()
    if _until(lambda: _get(config, node, link, key) == value, begin, PATIENCE_SECONDS) <= PATIENCE_SECONDS:
        return
    seen = _get(config, node, link, key)
    what = f"{value!r} was written" if value else "the key was deleted"
    raise CheckFailed(
        f"{node} gives {seen!r} {PATIENCE_SECONDS:g} s after {what} on {primary}",
        "replicas follow the primary",
        "Run `fwb check STACK valkey-replicas`, which says how far it is behind. Look at "
        f"`kubectl -n {config.namespace} get endpointslices` too: a Service may lead to the wrong servers.",
    )


def _expect_lifetime(config: ChecksConfig, node: Node, link: Connection, key: str, begin: float) -> None:
    try:
        left = int(link.call("PTTL", key))
    except exceptions.RedisError as error:
        raise valkey_nodes.fault(config, node, error) from error
    lowest = TTL_MS - (time.monotonic() - begin) * 1000 - TTL_SLACK_MS
    if not lowest <= left <= TTL_MS + TTL_SLACK_MS:
        raise CheckFailed(
            f"a key written with a TTL of {TTL_MS} ms has one of {left} ms on {node} (-1: none)",
            "the TTL that was asked for",
            "Replicas expire keys by their own clocks. Compare `date -u` on the nodes, and set the wrong "
            "clock.",
        )


def _expect_refusal(config: ChecksConfig, node: Node, link: Connection, key: str) -> None:
    try:
        link.call("SET", key, "x", "PX", TTL_MS)
    except exceptions.ReadOnlyError:
        return
    except exceptions.RedisError as error:
        raise valkey_nodes.fault(config, node, error) from error
    with suppress(exceptions.RedisError):
        link.call("DEL", key)
    raise CheckFailed(
        f"{node} took a write of its own, although it is a replica",
        "replicas take writes from the primary alone",
        "Somebody set replica-read-only to no. What is written there gets lost. Restart the replica: "
        f"`kubectl -n {config.namespace} delete pod {node}`.",
    )
