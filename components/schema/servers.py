"""The database and the cache."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from components.faults import Clash
from components.schema.base import Model, Resources, Storage, resources_field
from components.schema.connections import MaxConnections, ReservedConnections, crowding, heavy_for_mariadb
from components.values import Quantity, RedisMemory, image_of, quantity_bytes, redis_bytes

MariadbImage = Annotated[str, image_of("MariaDB", "mariadb", r"10\.11", "10.11", "10")]
RedisImage = Annotated[str, image_of("Redis", "redis", r"7\.[0-4]", "7.2", "7")]


class Mariadb(Model):
    """The database."""

    image: MariadbImage = Field(
        default="docker.io/library/mariadb:10.11", description="Image of MariaDB 10.11."
    )
    storage: Storage = Field(default=Storage(), description="Volume of the data.")
    buffer_pool: Quantity = Field(
        default="128Mi", description="InnoDB's page cache. At most 60% of the memory limit."
    )
    max_connections: MaxConnections = Field(
        default=100, description="Connections that applications may have at the same time. More are refused."
    )
    reserved_connections: ReservedConnections = Field(
        default=32, description="Connections that are kept free in addition, for probes, checks and backups."
    )
    binlog_days: Annotated[int, Field(ge=1, le=90)] = Field(
        default=7, description="How many days the binary log is kept."
    )
    resources: Resources = resources_field("100m", "384Mi", "640Mi")

    @model_validator(mode="after")
    def _pool_fits(self) -> Self:
        pool, limit = quantity_bytes(self.buffer_pool), quantity_bytes(self.resources.memory_limit)
        if pool > 0.6 * limit:
            raise Clash(
                self.clash(
                    ("bufferPool", "resources.memoryLimit"),
                    f"{self.said('bufferPool')} leaves too little of {self.said('resources.memoryLimit')} for"
                    f" connections; write a memoryLimit of {pool * 10 // 6 // 2**20 + 1}Mi or more, or a"
                    f" bufferPool of {int(0.6 * limit) // 2**20}Mi or less",
                )
            )
        if clashes := list(heavy_for_mariadb(self)):
            raise Clash(*clashes)
        return self


class Redis(Model):
    """The cache. It keeps nothing on disk, so a restart empties it."""

    image: RedisImage = Field(
        default="docker.io/library/redis:7.2-bookworm", description="Image of Redis 7.0 to 7.4."
    )
    maxmemory: RedisMemory = Field(
        default="256mb",
        description="Memory for data. When it is full, the least recently used keys are removed.",
    )
    max_connections: MaxConnections = Field(
        default=1000,
        description="Connections that applications may have at the same time. If there are more, the newest"
        " are closed.",
    )
    reserved_connections: ReservedConnections = Field(
        default=100,
        description="Connections that are kept free in addition, for probes, checks and the guard.",
    )
    resources: Resources = resources_field("100m", "128Mi", "384Mi")
    guard_resources: Resources = resources_field("10m", "32Mi", "96Mi")

    @model_validator(mode="after")
    def _data_fits(self) -> Self:
        data, limit = redis_bytes(self.maxmemory), quantity_bytes(self.resources.memory_limit)
        needed = data * 5 // 4 + 32 * 2**20  # a quarter for fragmentation, 32 Mi for clients' buffers
        if limit < needed:
            raise Clash(
                self.clash(
                    ("maxmemory", "resources.memoryLimit"),
                    f"{self.said('maxmemory')} doesn't fit into {self.said('resources.memoryLimit')} with"
                    " room for buffers and fragmentation; write a memoryLimit of"
                    f" {-(-needed // 2**20)}Mi or more",
                )
            )
        if clashes := list(crowding(self)):
            raise Clash(*clashes)
        return self
