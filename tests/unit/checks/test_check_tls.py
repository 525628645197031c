"""The checks of encrypted connections, each with a server in which it finds what it looks for."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from made_certificates import Certificates

from facts.checks.mariadb import MariadbTarget
from facts.checks.redis import RedisTarget
from facts.checks.tls import TlsTarget
from facts.checks.valkey import ValkeyTarget
from facts.tls import CA, CERTIFICATE, KEY, names_of
from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import Result
from filewallball.checks.suites import ALL, tls

HOST = "127.0.0.1"
NAMES = tuple(
    name for service in ("redis", "valkey", "valkey-sentinel") for name in names_of(service, "shop")
)
Serve = Callable[..., int]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """`made(HOST, …)`: a folder with a certificate for these addresses."""
    authority = Certificates()
    count = iter(range(100))

    def write(*addresses: str, dns: tuple[str, ...] = NAMES, age: timedelta = timedelta(0)) -> Path:
        folder = tmp_path / f"server-{next(count)}"
        authority.write(folder, *addresses, dns=dns, age=age)
        return folder

    return write


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(folder)`: the port of a server that shows this certificate; without one it talks plainly."""
    with contextlib.ExitStack() as stack:

        def start(folder: Path | None, *, plain: bool = False) -> int:
            listener = stack.enter_context(socket.create_server((HOST, 0)))
            context = None
            if folder:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(folder / CERTIFICATE, folder / KEY)

            def answer(connection: socket.socket) -> None:
                with contextlib.suppress(OSError), connection:
                    if connection.recv(1, socket.MSG_PEEK) == b"P":
                        if plain or not context:
                            connection.sendall(b"-NOAUTH\r\n")
                        return
                    if context:
                        with context.wrap_socket(connection, server_side=True) as channel:
                            channel.recv(1)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            return int(listener.getsockname()[1])

        yield start


def checked(name: str, folder: Path, *sections: Any) -> Result:
    names = ("redis=redis", "mariadb=mariadb", "valkey=valkey", "valkey-sentinel=valkey-sentinel")
    config = ChecksConfig("shop", True, (*sections, TlsTarget(ca_file=str(folder / CA), names=names)))
    [chosen] = runner.select(ALL, [name], quick=False, deep=False)
    [result] = runner.run([chosen], config, named=[name])
    return result


def cache(folder: Path, port: int) -> Result:
    target = RedisTarget(host=HOST, port=port, password_file="unused", ca_file=str(folder / CA))
    return checked("redis-tls", folder, target)


def test_a_good_certificate_is_told_with_the_days_that_it_has_left(
    made: Callable[..., Path], serve: Serve
) -> None:
    folder = made(HOST)
    found = cache(folder, serve(folder))
    assert (found.status, found.observed) == (
        "ok",
        "redis: 1 with a good certificate for 90 more days, and nothing without",
    )


@pytest.mark.parametrize(
    ("age", "status"), [(69, "ok"), (71, "warning"), (82, "warning"), (84, "failed"), (91, "failed")]
)
def test_one_that_should_have_been_renewed(
    made: Callable[..., Path], serve: Serve, age: int, status: str
) -> None:
    folder = made(HOST, age=timedelta(days=age))
    found = cache(folder, serve(folder))
    assert found.status == status, found.observed
    if status != "ok":
        assert "filewallball-certificates-cronjob" in found.hint


def test_a_server_that_also_talks_in_plain_words(made: Callable[..., Path], serve: Serve) -> None:
    folder = made(HOST)
    for port in (serve(folder, plain=True), serve(None)):
        assert cache(folder, port).status == "failed"
    assert "aren't encrypted" in cache(folder, serve(folder, plain=True)).observed


def test_another_authority_another_address_and_a_name_too_few(
    made: Callable[..., Path], serve: Serve, tmp_path: Path
) -> None:
    good = made(HOST)
    stranger = tmp_path / "stranger"
    Certificates().write(stranger, HOST, dns=NAMES)
    for shown, said in (
        (stranger, "certificate verify failed"),
        (made("127.0.0.9"), "certificate is not valid for '127.0.0.1'"),
        (made(HOST, dns=("redis",)), "without redis.shop, redis.shop.svc"),
    ):
        found = cache(good, serve(shown))
        assert found.status == "failed"
        assert said in found.observed
    found = cache(good, _closed())
    assert found.status == "failed"


def _closed() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("bad", ["none", "member", "sentinel"])
def test_each_member_and_each_sentinel_is_looked_at(
    made: Callable[..., Path], serve: Serve, bad: str
) -> None:
    folder = made(HOST)
    ports = {kind: [serve(folder), serve(folder, plain=kind == bad)] for kind in ("member", "sentinel")}
    target = ValkeyTarget(
        members=tuple(f"{HOST}:{port}" for port in ports["member"]),
        sentinels=tuple(f"{HOST}:{port}" for port in ports["sentinel"]),
        quorum=2, down_after_ms=1, failover_timeout_ms=1, parallel_syncs=1, app_password_file="unused",
        sentinel_password_file="unused", checks_password_file="unused", settle_seconds=0,
        ca_file=str(folder / CA),
    )  # fmt: skip
    found = checked("valkey-tls", folder, target)
    assert found.status == ("ok" if bad == "none" else "failed"), found.observed


class Connection:
    """What PyMySQL gives for an encrypted connection."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._sock = self
        self.open = True
        self._names = names

    def getpeercert(self) -> dict[str, Any]:
        san = [("DNS", name) for name in self._names] + [("IP Address", HOST)]
        return {"subjectAltName": san, "notAfter": "Jan  1 00:00:00 2100 GMT"}

    def close(self) -> None:
        self.open = False


@pytest.mark.parametrize(
    ("plain", "status"),
    [
        (pymysql.OperationalError(3159, "Connections using insecure transport are prohibited"), "ok"),
        (pymysql.OperationalError(1045, "Access denied for user"), "ok"),
        (None, "failed"),
        (pymysql.OperationalError(2003, "Can't connect"), "failed"),
    ],
)
def test_the_database_must_refuse_plain_connections(
    made: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: Any, status: str
) -> None:
    folder = made(HOST)
    (tmp_path / "password").write_text("secret")

    def connect(**options: Any) -> Connection:
        if not options.get("ssl_disabled"):
            assert isinstance(options["ssl"], ssl.SSLContext)
            return Connection(tuple(names_of("mariadb", "shop")))
        if plain:
            raise plain
        return Connection(())

    monkeypatch.setattr(pymysql, "connect", connect)
    password = str(tmp_path / "password")
    target = MariadbTarget(
        host=HOST, database="d", app_user="a", app_password_file=password, monitor_user="m",
        monitor_password_file=password, ca_file=str(folder / CA),
    )  # fmt: skip
    found = checked("mariadb-tls", folder, target)
    assert found.status == status, found.observed


def test_addresses_of_version_6_are_compared_in_their_short_form() -> None:
    assert tls._plainly("IP Address", "FD00:0:0:0:0:0:0:2\n") == "fd00::2"
    assert tls._plainly("IP Address", "10.0.0.1") == "10.0.0.1"
