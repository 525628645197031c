"""nginx's configuration: a pure function of settings and servers. The files are in components/files/balancer.

What depends on how many servers, names or addresses there are is made here, line by line; all else stands in
the files. Every value has been checked by the settings: none can end a line or open a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from components import schema
from components.kube import files
from facts import balancer as facts
from facts.balancer import ADMINISTRATION, FAIL_TIMEOUT, MAX_FAILS, NAME, SITE
from facts.pods import CONFIG_PATH, secret_folder

_LOCAL = ("localhost", "127.0.0.1", "[::1]")
"""Always answered: whoever forwards a port asks by these."""
_IN_CLUSTER = (NAME, f"{NAME}.*")
_PROPAGATION_SECONDS = 3
"""How long a cluster may take to send nothing more to a pod that stops."""
_OVERHEAD = 2**20
"""Bytes of a form around the largest file, so that the application says itself that a file is too large."""


@dataclass(frozen=True)
class Upstream:
    """A server of the application. `host`: a name with an address that stays, such as its own Service."""

    name: str
    host: str
    site: int
    admin: int


@dataclass(frozen=True)
class Paths:
    """What the application does at which paths, and how large a file may be, in bytes."""

    log_in: Sequence[str]
    uploads: Sequence[str]
    upload_bytes: int


@dataclass(frozen=True)
class Places:
    """Folders and ports of the pods. Tests have others."""

    config: str = CONFIG_PATH
    run: str = facts.RUN_PATH
    tmp: str = "/tmp/nginx"  # noqa: S108 - a volume of the pod's own
    site: int = facts.SITE_PORT
    site_tls: int = facts.SITE_TLS_PORT
    admin: int = facts.ADMIN_PORT
    status: int = facts.STATUS_PORT
    log: int = facts.LOG_PORT
    address: str = ""
    """The one that nginx listens at, with a colon behind it; empty: all."""


def groups(servers: Sequence[Upstream]) -> dict[str, tuple[facts.Server, ...]]:
    """The two groups of servers, as nginx calls them."""
    return {
        SITE: tuple(facts.Server(each.name, each.host, each.site) for each in servers),
        ADMINISTRATION: tuple(facts.Server(each.name, each.host, each.admin) for each in servers),
    }


def render(
    settings: schema.Balancer, servers: Sequence[Upstream], paths: Paths, places: Places | None = None
) -> dict[str, str]:
    """File name → text of all that nginx and what runs beside it read."""
    where = places or Places()
    silence = settings.silence_seconds
    text = files(
        NAME,
        config_folder=where.config,
        run_folder=where.run,
        tmp_folder=where.tmp,
        tag=facts.TAG,
        log_port=str(where.log),
        tries_mark=facts.TRIES_MARK,
        status_path=facts.STATUS_PATH,
        workers=str(settings.workers),
        shutdown_seconds=str(settings.shutdown_seconds),
        keepalive_seconds=str(max(1, settings.drain_seconds - _PROPAGATION_SECONDS)),
        log_ins_per_minute=str(settings.log_ins_per_minute),
        log_ins_at_once=str(settings.log_ins_at_once),
        requests_at_once=str(settings.requests_at_once),
        silence_seconds=str(silence),
        # Each server once, and one of them again.
        tries=str(len(servers) + 1),
        tries_seconds=str(2 * silence),
        upload_silence_seconds=str(settings.upload_silence_seconds),
        upload_bytes=str(paths.upload_bytes + _OVERHEAD),
        log_in_pattern=_pattern(paths.log_in),
        upload_pattern=_pattern(paths.uploads),
    )
    return text | {
        "upstreams.conf": _lines(_upstreams(groups(servers))),
        "servers.conf": _lines(_servers(settings, where)),
        "trusted.conf": _lines(_trusted(settings.trusted_proxies)),
        "status-clients.conf": _lines(_allowed(settings.status_clients)),
        facts.UPSTREAMS_FILE: facts.written(groups(servers)),
    }


def _lines(lines: Iterator[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _pattern(paths: Sequence[str]) -> str:
    """A path and all below it."""
    return f"^(?:{'|'.join(re.escape(path) for path in paths)})(?:/|$)"


def _upstreams(found: Mapping[str, Sequence[facts.Server]]) -> Iterator[str]:
    for name, servers in found.items():
        yield f"upstream {name} {{"
        yield f"    zone {name} 256k;"
        yield "    least_conn;"
        for each in servers:
            yield f"    server {each.host}:{each.port} max_fails={MAX_FAILS} fail_timeout={FAIL_TIMEOUT}s;"
        yield "    # The same again, for when all are left out at once: nginx would refuse everybody for the"
        yield "    # whole of fail_timeout, however soon they are back."
        for each in servers:
            yield f"    server {each.host}:{each.port} backup max_fails=0;"
        yield "    keepalive 32;"
        yield "    keepalive_timeout 60s;"
        yield "    keepalive_requests 10000;"
        yield "}"


def _servers(settings: schema.Balancer, where: Places) -> Iterator[str]:
    names = " ".join(dict.fromkeys([*settings.hosts, *_LOCAL, *_IN_CLUSTER]))
    tls, at = settings.tls_secret, where.address
    site = f"listen {at}{where.site_tls} ssl" if tls else f"listen {at}{where.site}"
    if tls:
        yield from _tls(tls)
        yield from _server(f"listen {at}{where.site} default_server;", *_healthy(), *_redirect(settings))
    if not settings.any_host:
        refusal = f"This server answers for {' and '.join(settings.hosts)} only."
        yield from _server(
            f"{site} default_server;",
            *_healthy(),
            "location / {",
            "    default_type text/plain;",
            f'    return 421 "{refusal}\\n";',
            "}",
        )
    own = f"{site} default_server;" if settings.any_host else f"{site};"
    yield from _server(own, f"server_name {names};", f"include {where.config}/site.conf;")
    secure = " ssl" if tls else ""
    yield from _server(
        f"listen {at}{where.admin} default_server{secure};", f"include {where.config}/admin.conf;"
    )
    yield from _server(
        f"listen {at}{where.status} default_server;",
        *_healthy(),
        f"location = {facts.STATUS_PATH} {{",
        f"    include {where.config}/status.conf;",
        "}",
    )


def _server(*lines: str) -> Iterator[str]:
    yield "server {"
    yield from (f"    {line}" for line in lines)
    yield "}"


def _healthy() -> Iterator[str]:
    """For probes, which ask by an address. nginx itself answers: the servers' health is another matter."""
    yield f"location = {facts.HEALTH_PATH} {{"
    yield "    access_log off;"
    yield "    default_type text/plain;"
    yield '    return 200 "ok\\n";'
    yield "}"


def _redirect(settings: schema.Balancer) -> Iterator[str]:
    # Not to any name that a client writes.
    names = "|".join(re.escape(each) for each in [*settings.hosts, *_LOCAL])
    yield "location / {"
    yield f'    if ($host !~* "^(?:{names})$") {{'
    yield f"        return 308 https://{settings.hosts[0]}$request_uri;"
    yield "    }"
    yield "    return 308 https://$host$request_uri;"
    yield "}"


def _tls(secret: str) -> Iterator[str]:
    # With a variable in its path a certificate is read at each handshake: a renewed one counts at once.
    yield 'map "" $certificate {'
    yield "    default tls;"
    yield "}"
    yield f"ssl_certificate {secret_folder(secret)}/$certificate.crt;"
    yield f"ssl_certificate_key {secret_folder(secret)}/$certificate.key;"
    yield "ssl_protocols TLSv1.2 TLSv1.3;"
    yield "ssl_session_cache shared:sessions:4m;"
    yield "ssl_session_timeout 1h;"
    yield "ssl_session_tickets off;"


def _trusted(proxies: Sequence[str]) -> Iterator[str]:
    yield "geo $realip_remote_addr $from_trusted {"
    yield "    default 0;"
    yield from (f"    {each} 1;" for each in proxies)
    yield "}"
    if proxies:
        yield from (f"set_real_ip_from {each};" for each in proxies)
        yield "real_ip_header X-Forwarded-For;"
        yield "real_ip_recursive on;"


def _allowed(addresses: Sequence[str]) -> Iterator[str]:
    yield from (f"allow {each};" for each in addresses)
    yield "deny all;"
