"""The balancer in front of the application: its names, its ports, what those in its pods tell each other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

NAME: Final = "balancer"
"""The name of the Deployment, its Service for users and its access label."""
ADMIN: Final = "balancer-admin"
"""The Service of the administration, and its access label."""
STATUS: Final = "balancer-status"
"""The Service that finds each pod's own status page, and its access label."""
PEERS: Final = "peers"
"""The container that models the state of the servers, since nginx tells nobody."""
MODULE: Final = "filewallball.balancer"
"""The Python module that it runs."""

SITE_PORT: Final = 8080
SITE_TLS_PORT: Final = 8443
ADMIN_PORT: Final = 8081
STATUS_PORT: Final = 8082
"""The ports of the pods. A Service has 80, 443, 3001 and the last one as it is."""
HTTP: Final = 80
HTTPS: Final = 443
ADMIN_SERVICE_PORT: Final = 3001

LOG_PORT: Final = 5140
"""Of the pods' own loopback: there nginx sends its logs to what runs beside it, by UDP. A Unix socket holds
ten datagrams (net.unix.max_dgram_qlen), and nginx waits for nobody.
"""

STATUS_PATH: Final = "/upstream_status"
HEALTH_PATH: Final = "/healthz"
RUN_PATH: Final = "/run/balancer"
"""A folder in memory that nginx shares with what runs beside it."""
PID_FILE: Final = "nginx.pid"
STATUS_SOCKET: Final = "status.sock"
STARTED: Final = "started"
"""A file that start.sh writes anew at each start of nginx."""
STATE: Final = "state.json"
TAG: Final = "nginx"
"""How lines begin that nginx sends to LOG_PORT."""
TRIES_MARK: Final = "tries "
"""How the text of a line of the access log begins there. Other lines are of the error log."""
UPSTREAMS_FILE: Final = "upstreams.json"

SITE: Final = "site"
ADMINISTRATION: Final = "admin"
"""The two groups of servers."""
MAX_FAILS: Final = 3
FAIL_TIMEOUT: Final = 30
"""In seconds. After MAX_FAILS failures a server is left out for that long."""


@dataclass(frozen=True)
class Server:
    """A server of a group: what it is called, and where it answers."""

    name: str
    host: str
    port: int


def written(groups: Mapping[str, Sequence[Server]]) -> str:
    """The text of UPSTREAMS_FILE."""
    return json.dumps(
        {name: [asdict(each) for each in servers] for name, servers in groups.items()}, indent=1
    )


def read(text: str) -> dict[str, tuple[Server, ...]]:
    """What `written` wrote. Raises ValueError, KeyError or TypeError for anything else."""
    found: dict[str, list[dict[str, Any]]] = json.loads(text)
    return {
        name: tuple(Server(str(each["name"]), str(each["host"]), int(each["port"])) for each in servers)
        for name, servers in found.items()
    }
