"""How many connections a server takes, and whether they fit into its memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from components.faults import Fault
from components.values import quantity_bytes, redis_bytes

MIB = 2**20
CONNECTION = 26 * 2**10
"""Bytes of a connection to Redis or Valkey right after it was opened, as 250 of them showed."""
_MARIADB_CONNECTION = 192 * 2**10
"""An estimate of the bytes of an idle connection to MariaDB 10.11, not a measurement."""
_MARIADB_BASE = 128 * MIB
"""Bytes that MariaDB needs beside the buffer pool and its connections."""

MaxConnections = Annotated[int, Field(ge=10, le=10000)]
ReservedConnections = Annotated[int, Field(ge=32, le=1000)]


def limit(server: Any) -> int:
    """All connections of a server: the applications' share and the reserve."""
    return server.max_connections + server.reserved_connections


def crowding(server: Any) -> Iterator[Fault]:
    """Redis and Valkey count connections as data: idle ones must not drive out half of it."""
    taken = limit(server) * CONNECTION
    # With the default number, a small maxmemory is for its owner to judge.
    if server.max_connections != 1000 and taken > redis_bytes(server.maxmemory) // 2:
        yield server.clash(
            ("maxConnections", "maxmemory"),
            f"{server.said('maxConnections')} and {server.said('reservedConnections')} may take"
            f" {-(-taken // MIB)}mb, more than half of {server.said('maxmemory')}; write a maxmemory of"
            f" {-(-2 * taken // MIB)}mb or more, or fewer connections",
        )


def heavy_for_sentinels(valkey: Any) -> Iterator[Fault]:
    needed = limit(valkey) * CONNECTION + 16 * MIB
    if quantity_bytes(valkey.sentinel_resources.memory_limit) < needed:
        yield valkey.clash(
            ("sentinelResources.memoryLimit", "maxConnections"),
            f"{valkey.said('maxConnections')} and {valkey.said('reservedConnections')} don't fit into"
            f" {valkey.said('sentinelResources.memoryLimit')}; write a memoryLimit of"
            f" {-(-needed // MIB)}Mi or more, or fewer connections",
        )


def heavy_for_mariadb(mariadb: Any) -> Iterator[Fault]:
    needed = quantity_bytes(mariadb.buffer_pool) + limit(mariadb) * _MARIADB_CONNECTION + _MARIADB_BASE
    if quantity_bytes(mariadb.resources.memory_limit) < needed:
        yield mariadb.clash(
            ("maxConnections", "resources.memoryLimit", "bufferPool"),
            f"{mariadb.said('maxConnections')} and {mariadb.said('reservedConnections')} don't fit into"
            f" {mariadb.said('resources.memoryLimit')} beside {mariadb.said('bufferPool')}; write a"
            f" memoryLimit of {-(-needed // MIB)}Mi or more, or fewer connections",
        )


def few_reserved(valkey: Any) -> Iterator[Fault]:
    # Two of each Sentinel, a link of each replica, what each agent asks and guards with; the rest is for what
    # checks and snapshots open.
    needed = 2 * valkey.sentinels + 5 * valkey.members + 16
    if valkey.reserved_connections < needed:
        yield valkey.clash(
            ("reservedConnections", "replicas", "sentinels"),
            f"{valkey.said('reservedConnections')} is too few for {valkey.members} servers and"
            f" {valkey.sentinels} sentinels; write {needed} or more",
        )
