"""Runs both sites in one process, and stops without a lost request.

At SIGTERM the server says at /readyz that it wants no more traffic, and serves on for APP_DRAIN_SECONDS. Then
it takes no new connections, ends what is under way, and leaves.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp

from filewallball.app.services import Services
from filewallball.app.settings import Settings
from filewallball.app.web import pages, sites

KEEP_ALIVE_SECONDS = 75
"""Longer than the balancer keeps a connection (60 s): it never takes one that is about to be closed here."""
BACKLOG = 2048
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """One of two in a process: signals are handled for both."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises WrongSetting; OSError for a port that is taken."""
    with asyncio.Runner(loop_factory=uvicorn.Config(_nothing, log_config=None).get_loop_factory()) as runner:
        runner.run(_serve(settings))


async def _nothing(*_: object) -> None:
    """Stands for an application where only a setting of uvicorn's is asked for."""


async def _serve(settings: Settings) -> None:
    services = Services(settings)
    servers = [
        _server(sites.site(services), settings),
        _server(sites.admin(services), settings),
    ]
    pages.prepare()
    services.store.prepare()
    # What is there now stays: it need not be looked through for garbage again and again.
    gc.collect()
    gc.freeze()
    gc.enable()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    house = asyncio.create_task(services.keep_house())
    ports = (settings.site_port, settings.admin_port)
    running = [
        asyncio.create_task(each.serve(listeners(port))) for each, port in zip(servers, ports, strict=True)
    ]
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([waiting, *running], return_when=asyncio.FIRST_COMPLETED)
    if stopping.is_set():
        services.draining = True
        log.info("Draining for %g s", settings.drain_seconds)
        await asyncio.sleep(settings.drain_seconds)
    for each in servers:
        each.should_exit = True
    waiting.cancel()
    await asyncio.gather(*running)
    house.cancel()
    with suppress(asyncio.CancelledError):
        await house
    await services.close()
    log.info("Stopped")


def listeners(port: int) -> list[socket.socket]:
    """Of each version of IP that this machine has. Raises OSError for a port that is taken."""
    made = [_listener(socket.AF_INET, "0.0.0.0", port)]  # noqa: S104 - the pod's own address
    if socket.has_ipv6:
        with suppress(OSError):
            made.append(_listener(socket.AF_INET6, "::", port))
    return made


def _listener(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made


def _server(app: ASGIApp, settings: Settings) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
        )
    )
