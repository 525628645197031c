"""Pages of a sandbox's stacks on this machine: which Services are published, where, and what goes through."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from facts.addresses import URL, Page
from filewallball.sandbox import cluster, publisher
from filewallball.sandbox.publisher import Publisher, published

BIG = bytes(range(256)) * 16384


@pytest.fixture
def server() -> Iterator[int]:
    """Answers what it is sent, the other way round, when the client has sent all of it; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as incoming:
                    connection.sendall(incoming.read()[::-1])

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def free() -> int:
    with listen(0) as found:
        return found.getsockname()[1]


def service(port: int, page: str, name: str = "balancer", address: str = "127.0.0.1") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "filewallball", "name": name, "annotations": {URL: page}},
        "spec": {"clusterIP": address, "ports": [{"port": port}]},
    }


def asked(port: int, what: bytes) -> bytes:
    def send(connection: socket.socket) -> None:
        with suppress(OSError):  # nobody takes it where nobody serves
            connection.sendall(what)
            connection.shutdown(socket.SHUT_WR)

    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        threading.Thread(target=send, args=(connection,)).start()
        with connection.makefile("rb") as incoming:
            return incoming.read()


def port_of(folder: Path) -> int:
    [found] = published(folder)
    page = Page.read(f"{found.name} {found.url}")
    assert page
    return page.port


def test_a_page_is_where_its_service_says(tmp_path: Path, server: int) -> None:
    port = free()
    Publisher(tmp_path, listen).see("ADDED", service(server, f"site http://127.0.0.1:{port}"))
    [found] = published(tmp_path)
    assert (found.service, found.name, found.url) == (
        "filewallball/balancer",
        "site",
        f"http://127.0.0.1:{port}",
    )
    assert asked(port, b"abc") == b"cba"
    assert asked(port, BIG) == BIG[::-1]


def test_a_port_that_is_taken_is_replaced_and_the_other_one_kept(tmp_path: Path, server: int) -> None:
    with listen(0) as other:
        page = f"site http://127.0.0.1:{other.getsockname()[1]}"
        first = Publisher(tmp_path, listen)
        first.see("ADDED", service(server, page))
        port = port_of(tmp_path)
        assert port != other.getsockname()[1]
        assert asked(port, b"abc") == b"cba"
    (kept,) = published(tmp_path)
    first.see("DELETED", service(server, page))
    (tmp_path / publisher.FILE).write_text(
        f'[{{"service": "{kept.service}", "name": "site", "url": "{kept.url}"}}]'
    )
    Publisher(tmp_path, listen).see("ADDED", service(server, page))
    assert port_of(tmp_path) == port, "a URL stays when the sandbox starts again"


def test_a_page_goes_with_its_service(tmp_path: Path, server: int) -> None:
    port = free()
    one = service(server, f"site http://127.0.0.1:{port}")
    publishing = Publisher(tmp_path, listen)
    for gone in (lambda: publishing.see("DELETED", one), lambda: publishing.only(set())):
        publishing.see("ADDED", one)
        assert asked(port, b"ab") == b"ba"
        gone()
        assert published(tmp_path) == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_a_changed_service_is_followed(tmp_path: Path, server: int) -> None:
    port = free()
    page = f"site http://127.0.0.1:{port}"
    publishing = Publisher(tmp_path, listen)
    publishing.see("ADDED", service(free(), page))
    assert asked(port, b"") == b"", "nobody serves there, and the client is told at once"
    publishing.see("MODIFIED", service(server, page))
    assert asked(port, b"abc") == b"cba"


@pytest.mark.parametrize("page", ["", "site", "site http://127.0.0.1", "site ftp://a:1", "site http://a:b"])
def test_a_service_without_a_page_is_left_alone(tmp_path: Path, page: str) -> None:
    publishing = Publisher(tmp_path, listen)
    publishing.see("ADDED", service(80, page))
    publishing.see("ADDED", service(80, "site http://127.0.0.1:1", address="None"))
    publishing.see("ADDED", {"metadata": {"namespace": "a", "name": "b"}, "spec": {}})
    assert published(tmp_path) == []


def test_the_status_tells_them() -> None:
    status = cluster.Status(
        "x", exists=True, running=True, ready=True, kubeconfig="", context="",
        pages={"filewallball/site": "http://127.0.0.1:3000"},
    )  # fmt: skip
    assert "  filewallball/site        http://127.0.0.1:3000" in cluster.describe(status).splitlines()
