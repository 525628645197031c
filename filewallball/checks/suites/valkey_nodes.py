"""The servers of the session set, each asked on a connection of its own, all at the same time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from redis import exceptions

from facts import valkey
from facts.checks import USER
from facts.checks.valkey import ValkeyTarget
from filewallball.checks.config import ChecksConfig, read_secret
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import resp
from filewallball.checks.suites.reach import unreachable
from filewallball.errors import ConfigError
from filewallball.guard.choice import CHECKS_NAME

T = TypeVar("T")

ANSWER_SECONDS = 2.0
"""A server that takes longer counts as down. The Sentinels give it about one second."""
POLL_SECONDS = 0.25
STATEFULSETS = {
    valkey.NAME: f"statefulset/{valkey.NAME}",
    valkey.SENTINEL_CONTAINER: f"statefulset/{valkey.SENTINEL}",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A member or a Sentinel: the name of its pod and Service, and the Service's address."""

    name: str
    ip: str
    port: int
    container: str
    ca_file: str | None = None

    @property
    def endpoint(self) -> str:
        return f"{self.ip}:{self.port}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Login:
    """Without a password nothing is said. Applications log in as `default`."""

    user: str | None = None
    password: str | None = None


class Connection:
    """Replies come as the server sent them; an error reply is raised as the client library's exception."""

    def __init__(self, node: Node, login: Login) -> None:
        # The guard spares this name: some of us log in as applications do.
        name = CHECKS_NAME if login.password else None
        self._client = resp.client(
            node.ip, node.port, login.user, login.password, seconds=ANSWER_SECONDS, name=name,
            ca_file=node.ca_file,
        )  # fmt: skip
        self._client.response_callbacks.clear()

    def call(self, *words: str | int) -> Any:
        return self._client.execute_command(*words)

    def close(self) -> None:
        self._client.close()


connect: Callable[[Node, Login], Connection] = Connection


@contextmanager
def connected(node: Node, login: Login) -> Generator[Connection]:
    connection = connect(node, login)
    try:
        yield connection
    finally:
        connection.close()


def checks_login(config: ChecksConfig) -> Login:
    return Login(USER, read_secret(config[ValkeyTarget].checks_password_file))


def members(config: ChecksConfig) -> list[Node]:
    return [_node(config, address, valkey.NAME) for address in config[ValkeyTarget].members]


def sentinels(config: ChecksConfig) -> list[Node]:
    return [_node(config, address, valkey.SENTINEL_CONTAINER) for address in config[ValkeyTarget].sentinels]


def reads_service(config: ChecksConfig) -> Node | None:
    reads = config[ValkeyTarget].reads
    return _node(config, reads, valkey.NAME) if reads else None


def _node(config: ChecksConfig, address: str, container: str) -> Node:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"checks.json: {address!r} is not host:port", "Run `fwb up` on the stack again.")
    try:
        return Node(host, resolve(host), int(port), container, config[ValkeyTarget].ca_file)
    except OSError as error:
        seen = f"{host}: {error.strerror}"
        raise unreachable(seen, host, config.namespace, STATEFULSETS[container]) from error


def resolve(host: str) -> str:
    """The address of a Service, under which the set's servers know each other."""
    return str(socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])


Answer = T | exceptions.RedisError


def ask_all(
    nodes: Sequence[Node], login: Login, question: Callable[[Node, Connection], T]
) -> dict[Node, Answer[T]]:
    """What each node answers, or the error in its place. Asked at once: a state read slowly is none."""

    def ask(node: Node) -> Answer[T]:
        try:
            with connected(node, login) as connection:
                return question(node, connection)
        except exceptions.RedisError as error:
            return error

    with ThreadPoolExecutor(max(1, len(nodes))) as pool:
        return dict(zip(nodes, pool.map(ask, nodes), strict=True))


def answered(answers: dict[Node, Answer[T]]) -> dict[Node, T]:
    """Only those that answered."""
    return {node: one for node, one in answers.items() if not isinstance(one, exceptions.RedisError)}


def all_answered(config: ChecksConfig, answers: dict[Node, Answer[T]]) -> dict[Node, T]:
    """Raises CheckFailed that names every node which gave no answer."""
    silent = [(node, error) for node, error in answers.items() if isinstance(error, exceptions.RedisError)]
    if silent:
        faults = [fault(config, node, error) for node, error in silent]
        raise CheckFailed("; ".join(one.observed for one in faults), faults[0].expected, faults[0].hint)
    return answered(answers)


def fault(config: ChecksConfig, node: Node, error: Exception) -> CheckFailed:
    """What an error of one server means for the person who runs the stack."""
    namespace, what = (
        config.namespace,
        "Sentinel" if node.container == valkey.SENTINEL_CONTAINER else "member",
    )
    seen = f"{node}: {error}"
    logs = f"`kubectl -n {namespace} logs {node} -c {node.container}`"
    # BusyLoadingError is a ConnectionError to the library, and AuthenticationError, too
    if isinstance(error, exceptions.AuthenticationError):
        return CheckFailed(
            seen,
            "the checks' user may log in",
            f"The {what}s follow the Secret {valkey.CREDENTIALS} within two minutes. If this lasts, "
            f"restart them: `kubectl -n {namespace} rollout restart {STATEFULSETS[node.container]}`.",
        )
    if isinstance(error, exceptions.NoPermissionError):
        return CheckFailed(
            seen,
            "the checks' user may do what the checks need",
            f"Somebody used ACL SETUSER, or the {what} is older than its users.acl. Restart them all: "
            f"`kubectl -n {namespace} rollout restart {STATEFULSETS[node.container]}`.",
        )
    if isinstance(error, exceptions.BusyLoadingError):
        return CheckFailed(
            seen,
            f"every {what} answers",
            f"It is still reading its data. Run the check again soon. Look at {logs}.",
        )
    if "refused" in str(error).lower() and what == "member":
        return CheckFailed(
            seen,
            "every member answers",
            "A member takes no connections until its agent has made it the primary or a linked replica. "
            f"Look at `kubectl -n {namespace} logs {node} -c agent`, which says what it waits for, and at "
            f"{logs}.",
        )
    if "reading from socket" in str(error):
        return CheckFailed(
            f"{node}: no answer within {ANSWER_SECONDS:g} s",
            f"every {what} answers",
            "It takes connections but answers nothing: the process hangs, or its node is overloaded. Look at "
            f"`kubectl -n {namespace} get pods -o wide`. If the node is well, restart the server: "
            f"`kubectl -n {namespace} delete pod {node}`.",
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        failed = unreachable(seen, f"Every {what}.", namespace, f"pod/{node}")
        return CheckFailed(failed.observed, f"every {what} answers", failed.hint)
    return CheckFailed(seen, f"no error from any {what}", f"Look at {logs}.")


class Patience:
    """One span of waiting for all the checks of a run, so that a set which is down fails them all soon."""

    def __init__(self) -> None:
        self._begin: float | None = None

    def settled(self, config: ChecksConfig, look: Callable[[], T]) -> T:
        """What `look` returns. A set settles for some seconds after `up`: until then its failures are
        looked at again, and the last one is raised."""
        self._begin = self._begin or time.monotonic()
        while True:
            try:
                return look()
            except CheckFailed:
                if time.monotonic() + POLL_SECONDS > self._begin + config[ValkeyTarget].settle_seconds:
                    raise
            time.sleep(POLL_SECONDS)


PATIENCE = Patience()


def settled(config: ChecksConfig, look: Callable[[], T]) -> T:
    return PATIENCE.settled(config, look)


def fields(reply: object) -> dict[str, str]:
    """A flat list of names and values, as CONFIG GET and SENTINEL MASTER answer with."""
    flat = cast("list[str]", reply)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def info(reply: object) -> dict[str, str]:
    """The text that INFO answers with."""
    lines = (line.partition(":") for line in str(reply).splitlines() if ":" in line)
    return {name: value for name, _, value in lines}


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """An error that belongs to no one server."""
    if isinstance(error, exceptions.RedisError):
        hint = (
            f"Look at `kubectl -n {config.namespace} get pods`, which shows what is restarting. Then run "
            "`fwb check STACK` again."
        )
        return CheckFailed(f"the session set: {error}", "no error from any server of it", hint)
    return None
