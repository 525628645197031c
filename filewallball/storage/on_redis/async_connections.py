"""Connections by address, for asyncio: as `connections`."""

from __future__ import annotations

import ssl
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelManagedSSLConnection
from redis.backoff import NoBackoff

from filewallball.storage.on_redis import connections
from filewallball.storage.urls import Address


class _Context:
    """In place of redis-py's own, which reads the system's authorities."""

    check_hostname = True

    def __init__(self, ca_file: str) -> None:
        self.ca_file = ca_file

    def get(self) -> ssl.SSLContext:
        return connections.trusting(self.ca_file)


class Encrypted(SSLConnection):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self.ssl_context: Any = _Context(options["ssl_ca_certs"])


class ManagedEncrypted(SentinelManagedSSLConnection):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)  # pyright: ignore[reportUnknownMemberType]
        self.ssl_context: Any = _Context(options["ssl_ca_certs"])


def awaited(address: Address) -> Any:
    """A client for one event loop."""
    options = connections.settings(address, address.user, address.password, Retry(NoBackoff(), 0))
    many = {"max_connections": address.max_connections}
    secure = connections.encryption(address)
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
        list(address.hosts), sentinel_kwargs=connections.asking(address, Retry(NoBackoff(), 0)) | secure,
        **many, **options, **secure, **members,
    )  # fmt: skip
    make: Any = sentinel
    return make.master_for(address.master)
