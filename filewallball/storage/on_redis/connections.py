"""Connections by address, for threads. None of them retries: `patience` does.

redis-py's own defaults wait up to ten seconds between tries. Here one try ends after the address's
`attempt_timeout`, to connect and to answer each.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import ConnectionPool, SSLConnection
from redis.credentials import CredentialProvider
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedSSLConnection

from filewallball.storage.errors import WrongSetting
from filewallball.storage.urls import Address, Secret, told


class Account(CredentialProvider):
    """Asks for the password at each new connection, so that a new one is taken without a restart."""

    def __init__(self, user: str | None, password: Secret) -> None:
        self.user = user
        self.password = password

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        password = told(self.password)
        return (self.user, password) if self.user else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        return self.get_credentials()


def trusting(ca_file: str) -> ssl.SSLContext:
    """Trusts this authority alone, and reads nothing else.

    redis-py reads the system's authorities as well, for each connection. Where there are any, that takes
    tens of milliseconds, while all connections are made anew after a fail-over.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = error.strerror or str(error)
        raise WrongSetting(
            f"ca_file is {ca_file!r}, which can't be read as certificates: {why}. "
            "Write the path of a file in the PEM format."
        ) from None
    return context


class Encrypted(SSLConnection):
    """To a server with a certificate of the given authority."""

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        return trusting(str(self.ca_certs)).wrap_socket(sock, server_hostname=self.host)  # pyright: ignore


class ManagedEncrypted(SentinelManagedSSLConnection):
    """The same, where Sentinels say which server it is."""

    def _wrap_socket_with_ssl(self, sock: Any) -> Any:
        return trusting(str(self.ca_certs)).wrap_socket(sock, server_hostname=self.host)  # pyright: ignore


def settings(address: Address, user: str | None, password: Secret, retry: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "socket_timeout": address.attempt_timeout,
        "socket_connect_timeout": address.attempt_timeout,
        "retry": retry,
        "protocol": 2,
        "driver_info": None,
    }
    if password is not None or user is not None:  # a user may have no password
        found["credential_provider"] = Account(user, password)
    return found


def encryption(address: Address) -> dict[str, Any]:
    """Raises WrongSetting at once if the file of the authority can't be used."""
    if not address.encrypted:
        return {}
    if address.ca_file:
        trusting(address.ca_file)
    return {"ssl_ca_certs": address.ca_file} if address.ca_file else {}


def blocking(address: Address, protocol: int = 2) -> Any:
    """A client for threads: Redis, or RedisCluster, which connects at once. `protocol`: of RESP."""
    options = settings(address, address.user, address.password, Retry(NoBackoff(), 0))
    options |= {"protocol": protocol, "maint_notifications_config": MaintNotificationsConfig(enabled=False)}
    many = {"max_connections": address.max_connections}
    secure = encryption(address)
    if address.kind == "cluster":
        nodes = [ClusterNode(host, port) for host, port in address.hosts]
        if address.encrypted:
            secure |= {"ssl": True}
        return RedisCluster(startup_nodes=nodes, **options, **many, **secure)
    options["db"] = address.db
    if address.kind == "redis":
        [(host, port)] = address.hosts
        kind: dict[str, Any] = {}
        if address.encrypted:
            kind = {"connection_class": Encrypted if address.ca_file else SSLConnection}
        return Redis(
            connection_pool=ConnectionPool(host=host, port=port, **kind, **many, **options, **secure)
        )
    if address.encrypted:
        secure |= {"ssl": True, "ssl_check_hostname": True}
    members: dict[str, Any] = {"connection_class": ManagedEncrypted} if address.ca_file else {}
    sentinel = Sentinel(
        list(address.hosts), sentinel_kwargs=asking(address, Retry(NoBackoff(), 0)) | secure,
        **many, **options, **secure, **members,
    )  # fmt: skip
    make: Any = sentinel  # its methods have no types
    return make.master_for(address.master)


def asking(address: Address, retry: Any) -> dict[str, Any]:
    return settings(address, address.sentinel_user, address.sentinel_password, retry)


def orphaned(client: Any) -> None:
    """In a child after a fork. A cluster's client takes a lock at its end, which a thread of the parent may
    have held."""
    if isinstance(client, RedisCluster):
        ours: Any = client  # its attributes have types that say never None
        ours._lock, ours.nodes_manager = threading.RLock(), None


def sentinels(pool: Any) -> Sequence[Any]:
    """The clients of the Sentinels by which this pool finds its server; none, where there are none."""
    manager = getattr(pool, "sentinel_manager", None)
    return manager.sentinels if manager else ()
