"""How many of the applications' connections are in use, and that the server offers as many as declared."""

from __future__ import annotations

from dataclasses import replace

import pymysql
from pymysql.constants import ER

from facts.checks.mariadb import MariadbTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import crowd
from filewallball.checks.suites.mariadb_session import connected, query

_NOT_APPLICATIONS = ("filewallball_backup", "filewallball_monitor", "system user", "event_scheduler")
_FULL = (ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS)


def connections(config: ChecksConfig) -> str:
    """Applications have connections left, and get in by the port that they know."""
    target = config[MariadbTarget]
    with connected(target, monitor=True) as monitor:
        [(limit,)] = query(monitor, "SELECT @@GLOBAL.max_connections")
        users = query(monitor, "SELECT user FROM information_schema.processlist")
    if limit != target.max_connections:
        raise CheckFailed(
            f"max_connections is {limit}",
            f"{target.max_connections}, as declared",
            "Somebody used SET GLOBAL, or the container may not open enough files. Look at the beginning of "
            f"`kubectl -n {config.namespace} logs statefulset/{target.statefulset}`. If it says nothing, run "
            f"`kubectl -n {config.namespace} rollout restart statefulset/{target.statefulset}`.",
        )
    used = sum(str(user) not in _NOT_APPLICATIONS for (user,) in users)
    try:
        # Not through the reserve, as the other checks.
        with connected(replace(target, port=target.application_port)):
            pass
    except pymysql.OperationalError as error:
        if error.args[0] not in _FULL:
            raise
        used = max(used, target.max_connections)
    return crowd.judge({"mariadb": used}, target.max_connections, "filewallball:mariadb.maxConnections")
