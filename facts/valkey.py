"""The session set: its servers and Sentinels, and what their containers are told.

The scripts in files/valkey say some of it as well; tests/unit/program holds them to this.
"""

from __future__ import annotations

from typing import Final

NAME: Final = "valkey"
"""The name of the servers' StatefulSet, headless Service and container, and of the access label."""
SENTINEL: Final = "valkey-sentinel"
"""The name of the Sentinels' StatefulSet and Service."""
READS: Final = "valkey-read"
"""The Service that spreads reads over all servers."""
SENTINEL_CONTAINER: Final = "sentinel"
AGENT_CONTAINER: Final = "agent"
COMPONENT: Final = "sessions"
"""The value of the label app.kubernetes.io/component on all objects of the set."""
MASTER: Final = "valkey-session-master"
"""The name by which clients ask the Sentinels for the primary."""
PORT: Final = 6379
SENTINEL_PORT: Final = 26379
AGENT_PORT: Final = 8080

CONFIG_MAP: Final = "valkey-config"
CONF: Final = "valkey.conf"
CREDENTIALS: Final = "valkey-credentials"
"""The Secret with a password for each of USERS."""
USERS: Final = ("app", "sentinel", "checks", "agent", "replica", "watch", "peer", "backup")
SERVER_USERS: Final = {
    "app": "default", "checks": "checks", "backup": "backup", "replica": "replica", "watch": "watch",
    "agent": "agent",
}  # fmt: skip
"""The users of a server as it calls them, by whose password they have."""
SENTINEL_USERS: Final = {"sentinel": "default", "checks": "checks", "peer": "peer"}
"""The same of a Sentinel."""
CLOCK: Final = "fwb:clock"
"""A hash that the primary's agent counts up once a second. It says whose data are the freshest."""
CLOCK_DB: Final = 15
"""The database of the clock, far from where most applications have their keys."""
RUN_PATH: Final = "/run/valkey"
"""The folder, in memory, that a server and its agent share."""


class Variables:
    """What the environment of the set's containers tells."""

    POD: Final = "POD_NAME"
    MEMBERS: Final = "FWB_MEMBERS"
    SENTINELS: Final = "FWB_SENTINELS"
    QUORUM: Final = "FWB_QUORUM"
    MASTER: Final = "FWB_MASTER_NAME"
    DOWN_AFTER_MS: Final = "FWB_DOWN_AFTER_MS"
    MAX_CONNECTIONS: Final = "FWB_MAX_CONNECTIONS"
    FAILOVER_TIMEOUT_MS: Final = "FWB_FAILOVER_TIMEOUT_MS"


def pods_of(server: str, count: int) -> list[str]:
    """The names of a StatefulSet's pods, which are those of their Services, too."""
    return [f"{server}-{ordinal}" for ordinal in range(count)]


def address_variable(service: str) -> str:
    """The variable in which Kubernetes gives a container the address of a Service."""
    return f"{service.upper().replace('-', '_')}_SERVICE_HOST"
