"""A connection to Redis that keeps to a key prefix of its own and leaves nothing behind."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, cast

from redis import exceptions

from facts import redis as cache
from facts.checks.redis import RedisTarget
from filewallball.checks.config import ChecksConfig, read_secret
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import resp
from filewallball.checks.suites.reach import unreachable

PREFIX = "fwb:check:"
CLIENT_NAME = "fwb-check-"
SOCKET_SECONDS = 5.0
CHUNK = 500
"""Keys per command in bulk work: large enough to be quick, small enough to hold up nobody else."""

Command = tuple[str | bytes | int, ...]


class Session:
    """One named connection. Its name tells other runs that the keys under its prefix are in use."""

    def __init__(self, target: RedisTarget, run: str) -> None:
        self.run = run
        password = read_secret(target.password_file)
        self._client: Any = resp.client(
            target.host, target.port, target.user, password, seconds=SOCKET_SECONDS,
            name=CLIENT_NAME + run, ca_file=target.ca_file,
        )  # fmt: skip
        self._written: list[str] = []

    def key(self, name: str) -> str:
        """A key under this run's prefix, to be removed at the end."""
        key = f"{PREFIX}{self.run}:{name}"
        self._written.append(key)
        return key

    def call(self, *command: str | bytes | int) -> Any:
        return self._client.execute_command(*command)

    def batch(self, commands: Iterable[Command]) -> list[Any]:
        """Send many commands at once. An error takes the place of its command's reply."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        return cast("list[Any]", pipeline.execute(raise_on_error=False))

    def info(self, section: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._client.info(section))

    def remove(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), CHUNK):
            self.call("UNLINK", *keys[start : start + CHUNK])

    def sweep(self) -> None:
        """Remove what killed runs left: keys of runs that no connected client is named after."""
        clients = cast("list[dict[str, str]]", self._client.client_list())
        alive = {client["name"] for client in clients}
        dead: list[str] = []
        cursor: int | str = "0"
        while True:
            cursor, keys = self.call("SCAN", cursor, "MATCH", PREFIX + "*", "COUNT", 5000)
            dead += [key for key in cast("list[str]", keys) if _owner(key) not in alive]
            if int(cursor) == 0:
                break
        self.remove(dead)

    def close(self) -> None:
        self._client.close()

    @property
    def written(self) -> list[str]:
        return self._written


def _owner(key: str) -> str:
    return CLIENT_NAME + key.removeprefix(PREFIX).partition(":")[0]


@contextmanager
def reading(config: ChecksConfig) -> Generator[Session]:
    """A session that writes nothing."""
    session = Session(config[RedisTarget], secrets.token_hex(4))
    try:
        yield session
    finally:
        session.close()


@contextmanager
def writing(config: ChecksConfig) -> Generator[Session]:
    """A session whose keys are removed at the end, also on failure, time-out and interrupt."""
    with reading(config) as session:
        session.sweep()
        try:
            yield session
        finally:
            # the first connection may be in the middle of a reply: what happened there is not known
            last = Session(config[RedisTarget], session.run)
            try:
                last.remove(session.written)
            finally:
                last.close()


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What an error of the Redis client means for the person who runs the stack."""
    target, namespace = config[RedisTarget], config.namespace
    seen = f"{target.address}: {error}"
    if isinstance(error, exceptions.AuthenticationError):
        return CheckFailed(
            seen,
            f"user {target.user} may log in",
            f"Redis follows the Secret {cache.CREDENTIALS} within two minutes. If this lasts, restart it: "
            f"`kubectl -n {namespace} rollout restart deployment/redis`.",
        )
    if isinstance(error, exceptions.NoPermissionError):
        return CheckFailed(
            seen,
            f"user {target.user} may do what the checks need, under {PREFIX}* only",
            "Somebody used ACL SETUSER, or the pod is older than its users.acl. Run `fwb up`, and then "
            f"`kubectl -n {namespace} rollout restart deployment/redis`.",
        )
    if isinstance(error, exceptions.OutOfMemoryError):
        return CheckFailed(
            "a write was refused: used memory is above maxmemory and nothing could be evicted",
            "old keys make room for new ones",
            set_back("maxmemory-policy", namespace),
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return unreachable(seen, "Redis.", namespace, "deployment/redis")
    if isinstance(error, exceptions.RedisError):
        return CheckFailed(
            seen, "no error from Redis", f"Look at `kubectl -n {namespace} logs deployment/redis`."
        )
    return None


def set_back(directive: str, namespace: str) -> str:
    """What to do where the server runs with another value than the program gives it."""
    return (
        f"Somebody changed {directive} by hand. Run `fwb up`, which writes redis.conf anew (maxmemory comes "
        "from filewallball:redis.maxmemory), and then "
        f"`kubectl -n {namespace} rollout restart deployment/redis`."
    )
