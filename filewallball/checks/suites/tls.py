"""Encrypted connections: each server shows a good certificate, and takes no plain connection."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.constants import ER

from facts import mariadb as database
from facts import redis as cache
from facts import tls, valkey
from facts.checks.mariadb import MariadbTarget
from facts.checks.redis import RedisTarget
from facts.checks.tls import TlsTarget
from filewallball.checks.config import ChecksConfig, read_secret
from filewallball.checks.result import CheckFailed, CheckWarned
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites import mariadb_session, valkey_nodes
from filewallball.checks.suites.mariadb_session import connected
from filewallball.checks.suites.reach import unreachable
from filewallball.checks.suites.valkey_nodes import Node, resolve
from filewallball.encryption import context

SECONDS = 5.0
_DAY = 86400.0
"""Seconds."""
_REFUSED = (ER.ACCESS_DENIED_ERROR, 3159)
"""MariaDB's answers to a plain login, with the right password, where it takes encrypted connections alone."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate as a server has shown it. `names`: DNS names and addresses; `days` that it has left."""

    names: frozenset[str]
    days: float


def mariadb(config: ChecksConfig) -> str:
    """MariaDB shows a good certificate for all of its names, and takes no plain connection."""
    target = config[MariadbTarget]
    with connected(target, monitor=True) as connection:
        # PyMySQL has no public word for it.
        channel: Any = vars(connection)["_sock"]
        shown = _shown(channel)
    for port in (target.application_port, target.port):
        if _mariadb_takes_plain(target, port):
            raise _plain(config, f"{target.host}:{port}", f"statefulset/{target.statefulset}")
    return _judged(config, database.NAME, {target.host: shown})


def redis(config: ChecksConfig) -> str:
    """Redis shows a good certificate for all of its names, and takes no plain connection."""
    target = config[RedisTarget]
    node = Node(target.host, target.host, target.port, cache.NAME, target.ca_file)
    return _judged(config, cache.NAME, _looked_at(config, [node], "deployment/redis"))


def sessions(config: ChecksConfig) -> str:
    """Every member and Sentinel shows a good certificate, and takes no plain connection."""

    def look() -> str:
        told = [
            _judged(config, server, _looked_at(config, nodes, f"statefulset/{server}"))
            for server, nodes in (
                (valkey.NAME, valkey_nodes.members(config)),
                (valkey.SENTINEL, valkey_nodes.sentinels(config)),
            )
        ]
        return "; ".join(told)

    return valkey_nodes.settled(config, look)


def _looked_at(config: ChecksConfig, nodes: Sequence[Node], workload: str) -> dict[str, Shown]:
    """What each server shows. Raises CheckFailed for one that shows nothing good, or talks without it."""

    def look(node: Node) -> Shown:
        ca_file = node.ca_file or config[TlsTarget].ca_file
        try:
            plain = socket.create_connection((node.ip, node.port), SECONDS)
            with plain, context(ca_file).wrap_socket(plain, server_hostname=node.ip) as channel:
                shown = _shown(channel)
            if _takes_plain(node):
                raise _plain(config, f"{node}:{node.port}", workload)
        except OSError as error:
            raise _fault(config, f"{node}: {error}", error, workload) from error
        return shown

    with ThreadPoolExecutor(len(nodes)) as pool:
        return {node.ip: shown for node, shown in zip(nodes, pool.map(look, nodes), strict=True)}


def _shown(channel: ssl.SSLSocket) -> Shown:
    found: Any = channel.getpeercert()
    names = {_plainly(kind, name) for kind, name in found.get("subjectAltName", ())}
    return Shown(frozenset(names), (ssl.cert_time_to_seconds(found["notAfter"]) - time.time()) / _DAY)


def _plainly(kind: str, name: str) -> str:
    """OpenSSL writes IPv6 addresses at full length."""
    if kind != "IP Address" or ":" not in name:
        return name.strip()
    return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, name.strip()))


def _takes_plain(node: Node) -> bool:
    """Whether a server of Redis or Valkey answers to plain words; any error is as good as a dropped line."""
    with socket.create_connection((node.ip, node.port), SECONDS) as plain:
        plain.sendall(b"PING\r\n")
        try:
            return plain.recv(16)[:1] in (b"+", b"-")
        except OSError:
            return False


def _mariadb_takes_plain(target: MariadbTarget, port: int) -> bool:
    try:
        pymysql.connect(
            host=target.host,
            port=port,
            user=target.monitor_user,
            password=read_secret(target.monitor_password_file),
            ssl_disabled=True,
            connect_timeout=mariadb_session.CONNECT_SECONDS,
        ).close()
    except pymysql.OperationalError as error:
        if error.args[0] in _REFUSED:
            return False
        raise
    return True


def _judged(config: ChecksConfig, server: str, shown: dict[str, Shown]) -> str:
    """What was seen of a server's certificates, by the host that showed them."""
    target, cron_job = config[TlsTarget], tls.CRON_JOB
    namespace = config.namespace
    names = {
        name for service in target.services_of(server) for name in tls.names_of(service, namespace)
    } | _addresses(shown)
    for host, certificate in shown.items():
        if missing := sorted(names - certificate.names):
            raise CheckFailed(
                f"{server} at {host} shows a certificate without {', '.join(missing)}",
                "every name and address of its Services",
                f"A Service is newer than the certificate. Make a new one: `kubectl -n {namespace} create "
                f"job --from=cronjob/{cron_job} {tls.NAME}-now`. The servers load it within two minutes.",
            )
    least = min(certificate.days for certificate in shown.values())
    seen = f"{server}: {len(shown)} with a good certificate for {least:.0f} more days, and nothing without"
    if least < target.warn_days:
        hint = (
            f"The renewal should have come by now. Look at `kubectl -n {namespace} get jobs`, and at the log "
            f"of the newest Job of {cron_job}. Run it now: `kubectl -n {namespace} create job "
            f"--from=cronjob/{cron_job} {tls.NAME}-now`. If the Secret {tls.secret_of(server)} is newer, "
            f"restart what shows the old certificate."
        )
        if least < target.fail_days:
            raise CheckFailed(seen, f"{target.fail_days:g} days or more", hint)
        raise CheckWarned(seen, f"{target.warn_days:g} days or more", hint)
    return seen


def _addresses(hosts: Iterable[str]) -> set[str]:
    try:
        return {resolve(host) for host in hosts}
    except OSError:
        return set()


def _plain(config: ChecksConfig, where: str, workload: str) -> CheckFailed:
    return CheckFailed(
        f"{where} takes connections that aren't encrypted",
        "encrypted connections alone",
        f"The pod is older than filewallball:tls, or somebody changed the server by hand. Restart it: "
        f"`kubectl -n {config.namespace} rollout restart {workload}`.",
    )


def _fault(config: ChecksConfig, seen: str, error: OSError, workload: str) -> CheckFailed:
    if not isinstance(error, ssl.SSLError):
        return unreachable(seen, f"{workload}.", config.namespace, workload)
    return CheckFailed(
        seen,
        "an encrypted connection, with a certificate of the stack's authority for the name that was used",
        f"The server may show an old certificate, or none. Look at `kubectl -n {config.namespace} logs "
        f"{workload}`. Make new ones, which the servers load within two minutes: `kubectl -n "
        f"{config.namespace} create job --from=cronjob/{tls.CRON_JOB} {tls.NAME}-now`.",
    )


def _explain_mariadb(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    if "certificate verify failed" in str(error).lower():
        workload = f"statefulset/{config[MariadbTarget].statefulset}"
        return _fault(config, str(error), ssl.SSLError(str(error)), workload)
    return mariadb_session.explain(config, error)


CHECKS = (
    Check("mariadb-tls", mariadb, quick=True, timeout=30, explain=_explain_mariadb),
    Check("redis-tls", redis, quick=True, timeout=30),
    Check("valkey-tls", sessions, quick=True, timeout=60, explain=valkey_nodes.explain),
)

SUITE = Suite(TlsTarget, CHECKS, place=40)
