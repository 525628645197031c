"""Connections to the nodes of a target, and what goes wrong with them in words that help."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    NoPermissionError,
    RedisError,
    TimeoutError,
)
from redis.retry import Retry

from filewallball.errors import ConfigError, UserError
from filewallball.snapshots.settings import Address
from filewallball.stability.targets import Access, Target

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 4.0
_CLIENT: Any = Redis
_ENCRYPTED: Any = SSLConnection
"""Without a type, since half of its commands have none."""


class Unreachable(UserError):
    """A node doesn't answer. `why` without its address."""

    def __init__(self, message: str, hint: str = "", why: str = "") -> None:
        super().__init__(message, hint)
        self.why = why


def connect(
    access: Access,
    address: Address,
    database: int = 0,
    *,
    sentinel: bool = False,
    seconds: float = ANSWER_SECONDS,
) -> Any:
    """A client of one node. Replies come as the server sends them: bytes, numbers and lists.

    Nothing is sent before the first command. `seconds`: how long an answer may take.
    """
    client = _CLIENT(
        host=address.host,
        port=address.port,
        db=database,
        username=access.sentinel_username if sentinel else access.username,
        password=access.sentinel_password if sentinel else access.password,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=seconds,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        **tls_options(access),
    )
    if access.server_name:
        client.connection_pool.connection_class = _named(access.server_name)
    client.response_callbacks.clear()
    return client


def _named(name: str) -> type[Any]:
    """Encrypted connections to a server whose certificate has this name, whatever its address is."""

    class Named(_ENCRYPTED):
        host: str

        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            address, self.host = self.host, name
            wrapped: Any = super()
            try:
                return wrapped._wrap_socket_with_ssl(sock)
            finally:
                self.host = address

    return Named


def tls_options(access: Access) -> dict[str, Any]:
    """What redis-py takes for an encrypted connection; nothing for a plain one."""
    if not access.tls:
        return {}
    return {
        "ssl": True,
        "ssl_check_hostname": True,
        "ssl_ca_certs": access.ca_file,
        "ssl_certfile": access.cert_file,
        "ssl_keyfile": access.key_file,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }


def info(reply: Any) -> dict[str, str]:
    """The fields of an INFO reply."""
    lines = text(reply).splitlines()
    return {name: value for name, mark, value in (line.partition(":") for line in lines) if mark}


def pairs(reply: Any) -> dict[str, str]:
    """A flat list of names and values as a dict."""
    words = [text(word) for word in reply]
    return dict(zip(words[::2], words[1::2], strict=False))


def fields(value: str) -> dict[str, str]:
    """`a=1,b=2`, as INFO writes several values on one line."""
    found: dict[str, str] = {}
    for part in value.split(","):
        name, _, content = part.partition("=")
        found[name] = content
    return found


def text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def redirected(reply: str, asked: Address) -> Address:
    """The node that MOVED or ASK names. Without a host, it is where `asked` is.

    So it is with cluster-preferred-endpoint-type unknown-endpoint, or a host name that isn't set.
    """
    host, _, port = reply.split()[-1].rpartition(":")
    return Address(asked.host if host in ("", "?") else host.strip("[]"), int(port))


@contextmanager
def asked(target: Target, address: Address, *, sentinel: bool = False) -> Generator[Any]:
    """A client of one node of the target. Raises Unreachable, or ConfigError where the login is refused."""
    with (
        errors(target, address, sentinel=sentinel),
        connect(target.access, address, sentinel=sentinel) as client,
    ):
        yield client


@contextmanager
def errors(target: Target, address: Address, *, sentinel: bool = False) -> Generator[None]:
    """Turn the driver's errors into Unreachable, or into a ConfigError for what config or .env.local says."""
    try:
        yield
    except RedisError as error:
        raise _explained(target, address, error, sentinel=sentinel) from error
    except OSError as error:
        raise Unreachable(f"{address} does not answer: {error}", _REACH, str(error)) from error


_REACH = "See that it runs, and that this machine may connect to it."


def _explained(target: Target, address: Address, error: RedisError, *, sentinel: bool) -> UserError:
    said = str(error) or type(error).__name__
    which = "SENTINEL_" if sentinel else ""
    if target.forwarded and (_refused_login(error, said) or isinstance(error, NoPermissionError)):
        return UserError(
            f"A server of {target.source} does not allow it: {said}",
            "Run `fwb up` on the stack, which renews passwords and users. Then run the command again.",
        )
    if _refused_login(error, said):
        return ConfigError(
            f"{address} refuses the login: {said}",
            f"Write {target.variable(which + 'PASSWORD')} into {target.env_file}, and "
            f"{target.variable(which + 'USERNAME')} for a user with a name.",
        )
    if isinstance(error, NoPermissionError):
        return UserError(
            f"{address} does not allow it: {said}",
            f"Allow the command to the user, or write another one into {target.env_file}.",
        )
    if isinstance(error, ConnectionError | TimeoutError):
        return Unreachable(f"{address} does not answer: {said}", _hint(target, said), said)
    return UserError(f"{address}: {said}", "See the server's log, and run the command again.")


def _refused_login(error: RedisError, said: str) -> bool:
    return (
        isinstance(error, AuthenticationError | AuthorizationError) or "NOAUTH" in said or "WRONGPASS" in said
    )


def _hint(target: Target, said: str) -> str:
    if target.access.tls and ("CERTIFICATE_VERIFY_FAILED" in said or "certificate" in said):
        return (
            f"Name the authority's certificate in {target.variable('CA_FILE')}, and the node as its own "
            f"certificate does in {target.source}."
        )
    if target.access.tls and ("SSL" in said or "ssl" in said):
        return f"If it takes plain connections there, remove {target.variable('TLS')} from {target.env_file}."
    if not target.access.tls and "closed" in said.lower():
        variable = target.variable("TLS")
        return f"If it takes encrypted connections alone, write {variable}=true into {target.env_file}."
    return f"{_REACH} Its address comes from {target.source}, or from another node."
