"""Clients of encrypted connections know whom they talk to."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_certificates import Certificates
from redis.exceptions import ConnectionError

from facts.tls import CA, CERTIFICATE, KEY
from filewallball.drill.load.resp import Connection
from filewallball.encryption import mariadb_options, mariadb_words, redis_options, wrapped
from filewallball.storage import sessions
from filewallball.storage.failures import passes
from filewallball.storage.on_redis.connections import ManagedEncrypted

HOST = "127.0.0.1"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A port that answers PONG to whoever speaks TLS, and its certificate's folder."""
    folder = tmp_path / "server"
    Certificates().write(folder, HOST, dns=("valkey-0",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / CERTIFICATE, folder / KEY)

    def answer(plain: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as channel:
            while channel.recv(100):
                channel.sendall(b"+PONG\r\n")

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server((HOST, 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield int(listener.getsockname()[1]), folder


def test_nothing_changes_without_an_authority() -> None:
    assert (redis_options(None), mariadb_options(None), mariadb_words(None)) == ({}, {}, [])
    with socket.socket() as plain:
        assert wrapped(plain, None, "any") is plain


def test_a_drill_s_connection_is_encrypted_and_its_silence_is_seen(server: tuple[int, Path]) -> None:
    port, folder = server
    connection = Connection((HOST, port), 2.0, str(folder / CA))
    assert connection.call("PING") == "PONG"
    with pytest.raises(TimeoutError):
        connection.reply(0)
    with pytest.raises(TimeoutError):
        connection.reply(0.05)
    connection.close()
    # From inside a pod the server is reached by another address than its Service's.
    named = Connection((HOST, port), 2.0, str(folder / CA), "valkey-0")
    assert named.call("PING") == "PONG"
    named.close()


def test_a_stranger_is_taken_for_nobody(server: tuple[int, Path], tmp_path: Path) -> None:
    port, folder = server
    stranger = tmp_path / "stranger"
    Certificates().write(stranger, HOST)
    for ca_file, name in ((stranger / CA, HOST), (folder / CA, "valkey-1")):
        plain = socket.create_connection((HOST, port), 2)
        with pytest.raises(ssl.SSLCertVerificationError):
            wrapped(plain, str(ca_file), name)
        assert plain.fileno() == -1


def test_sessions_are_encrypted_to_sentinels_and_members(tmp_path: Path) -> None:
    ca_file = str(tmp_path / "ca.crt")
    found = sessions.connect([("s", 1)], password="a", sentinel_password="b", ca_file=ca_file)
    pools: list[Any] = [found.primary.connection_pool, found.replica.connection_pool]
    for kwargs in (each.connection_kwargs for each in pools):
        assert (kwargs["ssl_ca_certs"], kwargs["ssl_check_hostname"]) == (ca_file, True)
    assert {each.connection_class for each in pools} == {ManagedEncrypted}
    [sentinel] = pools[0].sentinel_manager.sentinels
    assert sentinel.connection_pool.connection_class.__name__ == "SSLConnection"


def test_sessions_read_no_other_authorities(
    server: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, folder = server
    monkeypatch.setattr(ssl, "create_default_context", None)
    pool: Any = None
    connection: Any = ManagedEncrypted(
        connection_pool=pool, host=HOST, port=port, ssl_ca_certs=str(folder / CA), socket_timeout=2
    )
    channel = connection._connect()
    assert channel.version() == "TLSv1.3"
    channel.close()


def test_a_wrong_certificate_is_not_tried_again() -> None:
    error = ConnectionError("Error 1 connecting: [SSL: CERTIFICATE_VERIFY_FAILED] …")
    assert not passes(error)
    assert passes(ConnectionError("Connection reset by peer"))
