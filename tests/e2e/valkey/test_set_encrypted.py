"""The set with encrypted connections alone: it works as without, and a renewed certificate goes unnoticed."""

from __future__ import annotations

import signal
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from local_set import LocalSet, Process, wait_for
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError
from redis.retry import Retry
from writing import writer

from filewallball.encryption import context, redis_options
from filewallball.snapshots.settings import Address
from filewallball.snapshots.transfer import fetch

SENTINEL_PORT = 26379
ONCE = Retry(NoBackoff(), 0)


@pytest.fixture
def encrypted(tree: Path, tmp_path: Path, net: int) -> Iterator[LocalSet]:
    found = LocalSet(tree, tmp_path, net, encrypted=True)
    # The Sentinels' turns are short here.
    found.options["FWB_TLS_SLOT"] = "2"
    found.start()
    yield found
    found.close()


def shown(found: LocalSet, each: Process) -> int:
    """The serial number of the certificate that a server shows. Raises OSError if it can't be reached."""
    port = 6379 if each in found.members else SENTINEL_PORT
    ca_file = found.ca_file()
    assert ca_file
    plain = socket.create_connection((each.pod.host, port), 2)
    with plain, context(ca_file).wrap_socket(plain, server_hostname=each.pod.host) as channel:
        der = channel.getpeercert(True)
    assert der
    return x509.load_der_x509_certificate(der).serial_number


def test_a_failover_goes_unnoticed_and_nobody_gets_in_without_encryption(
    encrypted: LocalSet, tmp_path: Path
) -> None:
    old = encrypted.wait_whole()
    for each, port in [(each, 6379) for each in encrypted.members] + [
        (each, SENTINEL_PORT) for each in encrypted.sentinels
    ]:
        with pytest.raises(ConnectionError), Redis(host=each.pod.host, port=port, retry=ONCE) as plain:
            plain.ping()
    with writer(encrypted) as written:
        written.wait_for_more()
        encrypted.stop_agent_roughly(old)
        encrypted.kill(old)
        wait_for(lambda: set(encrypted.named()) - {old.pod.name}, 20, lambda: str(encrypted.named()))
        written.wait_for_more()
        encrypted.start([old])
        new = encrypted.wait_whole()
        assert new is not old
    assert not written.errors
    # A name that isn't in the certificate, another authority: nobody is taken for the server.
    other = LocalSet(encrypted.root, tmp_path / "other", 1, encrypted=True)
    with pytest.raises(ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        Redis(host=new.pod.host, port=6379, retry=ONCE, **redis_options(other.ca_file())).ping()
    # A snapshot goes by the replication protocol.
    address = Address(new.pod.host, 6379)
    got = fetch(address, encrypted.passwords["backup"], tmp_path / "rdb", lambda _: None, encrypted.ca_file())
    assert got.path.read_bytes().startswith((b"REDIS", b"VALKEY"))


def test_a_renewed_certificate_is_shown_by_all_and_no_client_notices(encrypted: LocalSet) -> None:
    primary = encrypted.wait_whole()
    before = {each.pod.name: shown(encrypted, each) for each in encrypted.everything}
    assert len(set(before.values())) == 2
    lasting = encrypted.client(primary, single_connection_client=True)
    number = lasting.execute_command("CLIENT", "ID")
    gone, over = set[int](), threading.Event()

    def watch_sentinels() -> None:
        while not over.wait(0.02):
            down = 0
            for each in encrypted.sentinels:
                try:
                    socket.create_connection((each.pod.host, SENTINEL_PORT), 1).close()
                except OSError:
                    down += 1
            gone.add(down)

    watching = threading.Thread(target=watch_sentinels)
    watching.start()
    try:
        with writer(encrypted) as written:
            written.wait_for_more()
            renewed = encrypted.renew()

            def all_show_it() -> bool:
                try:
                    return all(
                        shown(encrypted, each)
                        == renewed["valkey" if each in encrypted.members else "valkey-sentinel"]
                        for each in encrypted.everything
                    )
                except (OSError, ssl.SSLError):
                    return False

            wait_for(all_show_it, 60, lambda: str(before))
            written.wait_for_more()
    finally:
        over.set()
        watching.join()
    assert not written.errors
    assert written.lost(encrypted) == []
    assert gone <= {0, 1}
    assert lasting.execute_command("CLIENT", "ID") == number
    assert encrypted.wait_whole() is primary


@pytest.mark.parametrize("members", [2, pytest.param(3, marks=pytest.mark.nightly)])
def test_switched_off_and_on_it_keeps_what_it_holds(
    tree: Path, tmp_path: Path, net: int, members: int
) -> None:
    with closing(LocalSet(tree, tmp_path, net, members, 3, encrypted=True)) as found:
        encrypted = dict(found.tls)
        found.start()
        for number, tls in enumerate(({}, encrypted)):
            found.client(found.wait_whole()).set("kept", number)
            switch(found, tls)
            assert found.client(found.wait_whole()).get("kept") == str(number)


def switch(found: LocalSet, tls: Mapping[str, Path]) -> None:
    """As both engines do it: all Sentinels are made anew, and then all members."""
    before, after = found.tls, dict(tls)
    for each in found.sentinels:
        found.kill(each, signal.SIGTERM)
    found.tls = after
    found.start(found.sentinels)
    for each in found.sentinels:
        wait_for(lambda each=each: answers(found, each), 20, lambda each=each: each.pod.name)
    found.tls = before  # they end as they began
    with ThreadPoolExecutor(len(found.members)) as pool:
        list(pool.map(found.stop, found.members))
    found.tls = after
    found.start(found.members)


def answers(found: LocalSet, sentinel: Process) -> bool:
    try:
        return bool(found.client(sentinel, "sentinel").ping())
    except (RedisError, OSError):
        return False
