"""The session servers: how many, how fast they fail over, what they keep, and when they are saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.faults import Clash, Fault
from components.schema import connections
from components.schema.base import CLASS_TO_SET, Model, Resources, resources_field
from components.schema.connections import MaxConnections, ReservedConnections
from components.schema.schedules import MaxAge, Scheduled
from components.values import (
    Annotations,
    Cron,
    DnsName,
    Quantity,
    RedisMemory,
    image_of,
    quantity_bytes,
    redis_bytes,
)

MIB = 2**20
ValkeyImage = Annotated[str, image_of("Valkey", "valkey", r"8\.1", "8.1")]
_SAVE = re.compile(r"0*[1-9][0-9]{0,8}")
LogLevel = Literal["debug", "verbose", "notice", "warning", "nothing"]


class SetStorage(Model):
    """A volume for each server, named `data-<pod>`."""

    size: Quantity = Field(
        default="1Gi",
        description="Size of the volume. You can make it larger later if the StorageClass allows it, but"
        " never smaller.",
    )
    storage_class: DnsName | None = Field(
        default=None,
        description="StorageClass of the volume. If not set: the cluster's default.",
        json_schema_extra=CLASS_TO_SET,
    )


class Snapshots(Scheduled):
    """Copies of the sessions. They are stored in the same store as the backups."""

    schedule: Cron = Field(
        default="15 * * * *",
        description="When snapshots are taken, in timeZone: five fields as in cron, or a name like @hourly.",
    )
    max_age_hours: MaxAge = Field(
        default=3, description="The checks fail if the newest snapshot is older than this."
    )
    keep: Annotated[int, Field(ge=2, le=500)] = Field(
        default=24, description="How many verified snapshots are kept, the newest ones."
    )
    work_size: Quantity = Field(
        default="1Gi", description="Disk space on the node for two snapshots and the trial load."
    )
    deadline_minutes: Annotated[int, Field(ge=5, le=24 * 60)] = Field(
        default=30, description="A run that takes longer is stopped."
    )
    resources: Resources = resources_field("50m", "96Mi", "384Mi")
    service_account_annotations: Annotations = Field(
        default={},
        description="Annotations of the ServiceAccount. eks.amazonaws.com/role-arn names a role that may"
        " write to the store.",
    )


class Valkey(Model):
    """The session servers: a primary, its replicas, and Sentinels, which decide which is the primary."""

    image: ValkeyImage = Field(default="docker.io/valkey/valkey:8.1", description="Image of Valkey 8.1.")
    replicas: int = Field(
        default=2,
        description="Number of replicas, 1 to 6. With only one, writes are refused while it restarts.",
    )
    sentinels: int = Field(default=5, description="Number of Sentinels: 3, 5, 7 or 9.")
    quorum: int | None = Field(
        default=None,
        description="How many Sentinels must see the primary as down before it is replaced. The agents need"
        " as many for everything that they do. If not set: a majority.",
    )
    down_after_ms: int = Field(
        default=1000,
        description="A server counts as down after so many milliseconds without an answer: 500 to 60000.",
    )
    failover_timeout_ms: int = Field(
        default=5000,
        description="How many milliseconds a fail-over may take before another one is tried: from twice"
        " downAfterMs to 600000.",
    )
    min_replicas_max_lag: int = Field(
        default=5,
        description="A replica counts as lost after so many seconds without a sign of life: 2 to 10. A"
        " primary takes writes only while it and its replicas that are not lost are a majority of"
        " the servers.",
    )
    reads_from_replicas: bool = Field(
        default=True,
        description="Create the Service `valkey-read`, which spreads reads over all servers that are ready.",
    )
    spread_over_zones: bool = Field(
        default=False,
        description="Spread servers, and Sentinels, evenly over zones, and start none where that fails: nodes"
        " need the label topology.kubernetes.io/zone. Else zones are preferred where there are some.",
    )
    log_level: LogLevel = Field(
        default="notice", description="One of debug, verbose, notice, warning, nothing."
    )
    append_only: bool = Field(
        default=False,
        description="Also write each change to a log on disk. A power cut then loses at most one second.",
    )
    save_points: str = Field(
        default="900 1 300 10 60 10000",
        description="When the data are saved to the volume. Each pair means: so many seconds after the last"
        " save, if there were so many changes.",
    )
    maxmemory: RedisMemory = Field(
        default="256mb",
        description="Memory for data. When it is full, the least recently used keys are removed.",
    )
    max_connections: MaxConnections = Field(
        default=1000,
        description="Connections that applications may have at the same time, to each server and to each"
        " Sentinel. If there are more, the newest are closed.",
    )
    reserved_connections: ReservedConnections = Field(
        default=100,
        description="Connections that are kept free in addition, for replicas, Sentinels, agents, checks and"
        " snapshots.",
    )
    storage: SetStorage = Field(default=SetStorage(), description="Volume of each server.")
    sentinel_storage: SetStorage = Field(
        default=SetStorage(), description="Volume of each Sentinel. It keeps what the Sentinel has voted for."
    )
    resources: Resources = resources_field("100m", "384Mi", "768Mi")
    agent_resources: Resources = resources_field("25m", "48Mi", "128Mi")
    sentinel_resources: Resources = resources_field("50m", "32Mi", "128Mi")
    snapshots: Snapshots = Field(
        default=Snapshots(), description="Copies of the sessions in the store of the backups."
    )

    @property
    def members(self) -> int:
        """How many servers hold the data."""
        return 1 + self.replicas

    @property
    def majority(self) -> int:
        return self.sentinels // 2 + 1

    @property
    def votes(self) -> int:
        """The quorum that holds."""
        return self.majority if self.quorum is None else self.quorum

    @field_validator("replicas")
    @classmethod
    def _some_replicas(cls, count: int) -> int:
        if count < 1:
            raise ValueError("without a replica, all sessions are lost with the primary; write 1 to 6")
        if count > 6:
            raise ValueError("too many: the primary sends every write to each of them; write 1 to 6")
        return count

    @field_validator("sentinels")
    @classmethod
    def _odd_sentinels(cls, count: int) -> int:
        if count < 3:
            raise ValueError("too few: when one is lost, no majority is left; write 3, 5, 7 or 9")
        if count > 9:
            raise ValueError(
                "too many: each asks all others, and more than 9 decide no better; write 3, 5, 7 or 9"
            )
        if count % 2 == 0:
            raise ValueError(f"an even number is no safer than one fewer; write {count - 1} or {count + 1}")
        return count

    @field_validator("down_after_ms")
    @classmethod
    def _patient(cls, milliseconds: int) -> int:
        if milliseconds < 500:
            raise ValueError(
                "too short: a busy server may pause that long, and would be replaced; write 500 or more"
            )
        if milliseconds > 60_000:
            raise ValueError(
                "too long: a dead primary would be noticed after more than a minute; write 60000 or less"
            )
        return milliseconds

    @field_validator("min_replicas_max_lag")
    @classmethod
    def _noticing(cls, seconds: int) -> int:
        if seconds < 2:
            raise ValueError(
                "too short: replicas report once a second, so one late one would stop writes; write 2 to 10"
            )
        if seconds > 10:
            raise ValueError(
                "too long: a primary that is cut off would take writes that get lost; write 2 to 10"
            )
        return seconds

    @field_validator("log_level", mode="before")
    @classmethod
    def _known_level(cls, level: object) -> object:
        levels = ("debug", "verbose", "notice", "warning", "nothing")
        if level not in levels:
            raise ValueError(f"no such log level; write one of {', '.join(levels)}")
        return level

    @field_validator("save_points")
    @classmethod
    def _pairs(cls, text: str) -> str:
        words = text.split()
        if not words or len(words) % 2 or not all(_SAVE.fullmatch(word) for word in words):
            raise ValueError(
                "not pairs of seconds and changes; write such as '900 1 60 10000': a save 900 seconds after"
                " the last one for one change, after 60 for 10000"
            )
        return " ".join(str(int(word)) for word in words)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        clashes = [*self._voting(), *self._failing_over(), *self._memory(), *self._room()]
        clashes += [*connections.few_reserved(self), *connections.crowding(self)]
        clashes += connections.heavy_for_sentinels(self)
        if clashes:
            raise Clash(*clashes)
        return self

    def _voting(self) -> Iterator[Fault]:
        if self.votes < self.majority:
            yield self.clash(
                "quorum",
                f"no majority of {self.sentinels} sentinels: a few that are cut off could replace the "
                f"primary; write {self.majority} to {self.sentinels}, or leave quorum out",
            )
        if self.votes > self.sentinels:
            yield self.clash(
                "quorum",
                f"more than the {self.sentinels} sentinels, so no failover could ever happen; write"
                f" {self.majority} to {self.sentinels}, or leave quorum out",
            )

    def _failing_over(self) -> Iterator[Fault]:
        least = 2 * self.down_after_ms
        if self.failover_timeout_ms < least:
            yield self.clash(
                ("failoverTimeoutMs", "downAfterMs"),
                f"{self.said('failoverTimeoutMs')} is less than twice {self.said('downAfterMs')}: a failover"
                f" would be given up before it could end; write a failoverTimeoutMs of {least} to 600000",
            )
        elif self.failover_timeout_ms > 600_000:
            yield self.clash(
                "failoverTimeoutMs",
                "too long: after a failed failover the set would have no primary for over ten minutes; write"
                f" {least} to 600000",
            )

    def _memory(self) -> Iterator[Fault]:
        data, limit = redis_bytes(self.maxmemory), quantity_bytes(self.resources.memory_limit)
        # A save forks. While it runs, each page that is written to is there twice: at worst all of the data.
        # A quarter for fragmentation, 128 Mi for buffers and the backlog.
        needed = data * 9 // 4 + 128 * MIB
        if limit < needed:
            yield self.clash(
                ("maxmemory", "resources.memoryLimit"),
                f"{self.said('maxmemory')} doesn't fit into {self.said('resources.memoryLimit')} while a save"
                f" runs, which may copy all of it; write a memoryLimit of {-(-needed // MIB)}Mi or more"
                + _or_less((limit - 128 * MIB) * 4 // 9),
            )

    def _room(self) -> Iterator[Fault]:
        data, room = redis_bytes(self.maxmemory), quantity_bytes(self.storage.size)
        # A new file stands beside the old one until it is whole; with a log of writes, that one as well.
        files = 5 if self.append_only else 3
        if room < data * files // 2:
            yield self.clash(
                ("storage.size", "maxmemory"),
                f"{self.said('maxmemory')} doesn't fit onto {self.said('storage.size')} with a new save"
                f" beside the old one; write a size of {-(-data * files // 2 // MIB)}Mi or more"
                + _or_less(room * 2 // files),
            )
        work = quantity_bytes(self.snapshots.work_size)
        if work < 2 * data:
            yield self.clash(
                ("snapshots.workSize", "maxmemory"),
                f"{self.said('maxmemory')} doesn't fit into {self.said('snapshots.workSize')} twice; write a"
                f" workSize of {-(-2 * data // MIB)}Mi or more" + _or_less(work // 2),
            )


def _or_less(data: int) -> str:
    """The other way out, if it is one."""
    return f", or a maxmemory of {data // MIB}mb or less" if data >= MIB else ""
