"""The replication protocol, spoken by a server that says what a test wants it to say."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from filewallball.snapshots import transfer
from filewallball.snapshots.settings import Address
from filewallball.snapshots.transfer import TransferError

OK = b"+OK\r\n"
MARK = b"m" * 40
DATA = b"REDIS0011" + bytes(range(256)) * 5
Fetch = Callable[..., transfer.Transferred]


@pytest.fixture
def fetch(tmp_path: Path) -> Iterator[Fetch]:
    """`fetch(answers…)`: the server gives one answer after each command; the last may be in pieces."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", listener.getsockname()[1])
    threads: list[threading.Thread] = []
    commands: list[bytes] = []

    def start(*answers: bytes | list[bytes]) -> transfer.Transferred:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    commands.append(connection.recv(4096))
                    for piece in answer if isinstance(answer, list) else [answer]:
                        connection.sendall(piece)

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        return transfer.fetch(address, "pass word", tmp_path / "copy", lambda _: None)

    start.commands = commands  # type: ignore[attr-defined]
    yield start
    for thread in threads:
        thread.join()
    listener.close()


def test_a_copy_of_known_length(fetch: Fetch, tmp_path: Path) -> None:
    head = b"+FULLRESYNC 0123 42\r\n\n\n\n$%d\r\n" % len(DATA)
    found = fetch(OK, OK, OK, OK, [head, DATA[:100], DATA[100:]])
    assert (tmp_path / "copy").read_bytes() == DATA
    assert (found.bytes, found.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    said = b"".join(fetch.commands)  # type: ignore[attr-defined]
    assert b"$4\r\nAUTH\r\n$6\r\nbackup\r\n$9\r\npass word\r\n" in said
    assert b"$8\r\nrdb-only\r\n$1\r\n1\r\n" in said
    assert b"$10\r\nip-address\r\n$8\r\nsnapshot\r\n" in said, "Sentinels would take it for a replica"


@pytest.mark.parametrize("size", [1, 7, 39, 40, 41, 300, 5000])
def test_a_copy_that_ends_with_a_mark(fetch: Fetch, tmp_path: Path, size: int) -> None:
    whole = b"\n+FULLRESYNC 0123 42\r\n\n$EOF:" + MARK + b"\r\n" + DATA + MARK
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert fetch(OK, OK, OK, OK, pieces).bytes == len(DATA)
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize(
    ("answers", "said", "hint"),
    [
        ([b"-WRONGPASS invalid\r\n"], "AUTH was refused: WRONGPASS", "Secret"),
        ([OK, b"-NOPERM this user\r\n"], "REPLCONF was refused: NOPERM", "valkey-passwords"),
        ([OK, OK, OK, OK, b"-NOMASTERLINK Can't SYNC\r\n"], "PSYNC was refused", "no link"),
        ([OK, OK, OK, OK, b"+CONTINUE\r\n"], "answered with 'CONTINUE'", ""),
        ([OK, OK, OK, OK, b"+FULLRESYNC 1 2\r\n-ERR no fork\r\n"], "PSYNC was refused: ERR no fork", ""),
        ([OK, OK, OK, OK, b"+FULLRESYNC 1 2\r\n$many\r\n"], "the data begins with", ""),
        ([OK, OK, OK, OK, b"+FULLRESYNC 1 2\r\n$100\r\nshort"], "before the end of the data", ""),
        ([OK, OK, OK, OK, b"+FULLRESYNC 1 2\r\n$EOF:" + MARK + b"\r\nshort"], "before the end", ""),
        ([OK, b"x" * 70_000], "doesn't speak the replication protocol", ""),
    ],
)
def test_what_a_server_may_refuse(fetch: Fetch, answers: list[bytes], said: str, hint: str) -> None:
    with pytest.raises(TransferError, match=said) as caught:
        fetch(*answers)
    assert hint in caught.value.hint
    assert "127.0.0.1:" in caught.value.message
    assert "pass word" not in str(caught.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransferError, match="refused"):
        transfer.fetch(Address("127.0.0.1", port), "p", tmp_path / "copy", lambda _: None)


def test_a_full_disk_is_not_the_servers_fault(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(IsADirectoryError):
        fetch(OK, OK, OK, OK, b"+FULLRESYNC 1 2\r\n$1\r\nx")
