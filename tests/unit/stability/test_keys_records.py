"""Pieces of backups of keys: their records, which keys a pattern means, and how replies are read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.errors import ConfigError, UserError
from filewallball.stability.keys import catalogue, command, names, places
from filewallball.stability.keys.pace import Pace, stand_back
from filewallball.stability.keys.places import Folder
from filewallball.stability.keys.records import Damaged, matcher, parsed, record, records
from filewallball.stability.keys.wire import Refused, Wire, arguments, with_numbers
from filewallball.stability.local import Local

RECORDS = st.lists(st.tuples(st.binary(), st.integers(0, 2**53), st.binary()))


@given(RECORDS)
def test_records_are_read_as_they_were_written(written: list[tuple[bytes, int, bytes]]) -> None:
    raw = b"".join(record(*each) for each in written)
    found = list(parsed(raw))
    assert [(each.key, each.expiry, each.value) for each in found] == written
    assert b"".join(each.raw for each in found) == raw


@given(RECORDS)
def test_many_are_written_alike(written: list[tuple[bytes, int, bytes]]) -> None:
    parts = [
        [b"%d\r\n%b" % (len(one), one) for one in (key, b"%d" % when, value)] for key, when, value in written
    ]
    keys, times, values = ([each[column] for each in parts] for column in range(3))
    assert records(keys, times, values) == b"".join(record(*each) for each in written)


TEXTS = st.lists(
    st.one_of(st.binary(), st.sampled_from([b"\r\n$1\r\na", b"$", b"\r\n:5", b"\r\n", b"9" * 99]))
)


@given(TEXTS)
def test_replies_are_told_as_they_are_or_not_at_all(texts: list[bytes]) -> None:
    counted = [b"%d\r\n%b" % (len(text), text) for text in texts]
    raw = b"".join(b"$%b\r\n" % each for each in counted)
    numbered = b"".join(b"$%b\r\n:%d\r\n" % (each, at) for at, each in enumerate(counted, -2))
    plain, paired = arguments(raw, len(texts)), with_numbers(numbered, len(texts))
    if not any(b"\r\n$" in each for each in counted):
        assert plain == counted
        assert paired == (counted, list(range(-2, len(texts) - 2)))
    assert plain in (None, counted)
    assert arguments(raw, len(texts) + 1) is None


@pytest.mark.parametrize("other", [b"$-1\r\n", b"-ERR x\r\n", b":5\r\n", b"*0\r\n", b"+OK\r\n"])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_other_replies_among_them_are_seen(other: bytes, at: int) -> None:
    replies = [b"$1\r\na\r\n", b"$2\r\nab\r\n"]
    for count in (2, 3):
        assert arguments(b"".join([*replies[:at], other, *replies[at:]]), count) is None
    pairs = [each + b":1\r\n" for each in replies]
    for count in (2, 3):
        assert with_numbers(b"".join([*pairs[:at], other, *pairs[at:]]), count) is None


def test_a_record_may_leave_a_key_as_it_is() -> None:
    [found] = parsed(record(b"k", 5, b"REPLACE"))
    assert found.keeping == (
        b"*5\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n5\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n"
    )


@pytest.mark.parametrize("cut", [1, 20, 40, -1])
def test_what_is_no_record_is_damaged(cut: int) -> None:
    with pytest.raises(Damaged, match="does not hold RESTORE commands"):
        list(parsed(record(b"key", 0, b"value")[:cut]))


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*", [b"", b"a\nb"], []),
        ("user:?", [b"user:1"], [b"user:", b"user:12", b"xuser:1"]),
        ("h[ae]llo", [b"hello", b"hallo"], [b"hillo"]),
        ("h[^e]llo", [b"hallo"], [b"hello"]),
        ("h[a-b]llo", [b"hallo", b"hbllo"], [b"hcllo"]),
        ("h[b-a]llo", [b"hallo"], [b"hcllo"]),
        (r"a\*b", [b"a*b"], [b"axb"]),
        (r"[\]]x", [b"]x"], [b"x"]),
        ("a.b+", [b"a.b+"], [b"axbb"]),
        ("[^", [b"x"], [b""]),
    ],
)
def test_patterns_are_those_of_the_servers(pattern: str, yes: list[bytes], no: list[bytes]) -> None:
    matches = matcher(pattern)
    assert all(map(matches, yes))
    assert not any(map(matches, no))


REPLIES = b"+OK\r\n$3\r\n\r\n\xff\r\n:-2\r\n$-1\r\n*2\r\n$1\r\n0\r\n*1\r\n$0\r\n\r\n-MOVED 5 h:1\r\n*-1\r\n"


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_replies_come_in_any_portions(step: int) -> None:
    ours, theirs = socket.socketpair()

    def send() -> None:
        for start in range(0, len(REPLIES), step):
            theirs.sendall(REPLIES[start : start + step])
        theirs.close()

    thread = threading.Thread(target=send)
    thread.start()
    with Wire(ours, "server") as wire:
        *plain, moved, none = wire.replies(7)
        assert plain == [b"OK", b"\r\n\xff", -2, None, [b"0", [b""]]]
        assert isinstance(moved, Refused)
        assert moved.code == "MOVED"
        assert none is None
        with pytest.raises(UserError, match="server ended: it closed the connection"):
            wire.replies(1)
    thread.join()


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_replies_up_to_a_mark_can_be_taken_again(step: int) -> None:
    ours, theirs = socket.socketpair()
    mark = b"$2\r\nMM\r\n"
    sent = b"$1\r\nM\r\n" + mark + b":5\r\n" + mark + b"+OK\r\n"
    thread = threading.Thread(
        target=lambda: [theirs.sendall(sent[at : at + step]) for at in range(0, len(sent), step)]
    )
    thread.start()
    with Wire(ours, "server") as wire, theirs:
        assert wire.before(mark) == b"$1\r\nM\r\n"
        wire.back(b"$1\r\nM\r\n")
        assert wire.replies(1) == [b"M"]
        assert wire.before(mark) == b":5\r\n"
        assert wire.replies(1) == [b"OK"]
    thread.join()


@pytest.mark.parametrize(
    ("sent", "count", "good"),
    [
        (b"+OK\r\n" * 3, 3, True),
        (b"+OK\r\n-OOM x\r\n+OK\r\n", 3, False),
        (b"-ERR some long text\r\n", 3, False),
    ],
)
def test_all_replies_are_ok_or_not(sent: bytes, count: int, good: bool) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(sent)
    with Wire(ours, "server") as wire, theirs:
        assert wire.all_ok(count) == good


def test_a_rate_counts_keys_and_kibibytes() -> None:
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(1000, lambda: now[0], sleep)
    pace.wait(100, 100)
    pace.wait(10, 200 * 1024)
    pace.wait(1, 1)
    assert slept == pytest.approx([0.1, 0.2])
    now[0] += 60  # what was not used isn't saved up
    pace.wait(100, 100)
    pace.wait(100, 100)
    assert slept == pytest.approx([0.1, 0.2, 0.1])


@pytest.mark.parametrize(
    ("each", "keys"), [(4096.0, 1024), (1024.0, 1024), (256.0, 4096), (0.0, 16_384)], ids=str
)
def test_keys_in_a_stream_are_counted_by_their_size(each: float, keys: int) -> None:
    slept: list[float] = []
    pace = Pace(1024, lambda: 0.0, slept.append, each=each)
    pace.wait_bytes(2**20)
    pace.wait_bytes(1)
    assert slept == [keys / 1024]


@pytest.mark.parametrize(
    ("rate", "keys", "size"), [(None, 1000, 2**18), (10_000, 20, 20_480), (1, 10, 10_240)]
)
def test_the_lower_the_rate_the_less_is_asked_for_at_once(rate: int | None, keys: int, size: int) -> None:
    pace = Pace(rate)
    assert (pace.batch(), pace.chunk) == (keys, size)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
def test_a_thread_that_stands_back_takes_along_what_it_starts() -> None:
    before = priority()

    def started() -> list[int]:
        with ThreadPoolExecutor(1) as others:
            child = subprocess.check_output([sys.executable, "-c", "import os; print(os.nice(0))"])
            return [priority(), others.submit(priority).result(), int(child)]

    with ThreadPoolExecutor(1, initializer=stand_back) as pool:
        assert pool.submit(started).result() == [max(10, before)] * 3
    assert priority() == before


def priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_names_tell_target_and_time() -> None:
    made = names.backup_id("dev-2", datetime(2023, 10, 27, 1, 2, 3, tzinfo=UTC))
    assert made == "redis-backup-dev-2-20231027T010203Z"
    assert names.target_of(made) == "dev-2"
    assert names.time_of(made) == datetime(2023, 10, 27, 1, 2, 3, tzinfo=UTC)
    assert names.target_of("redis-backup-dev-20231027") is None


def test_what_is_in_a_folder_is_never_overwritten(tmp_path: Path) -> None:
    place = Folder(tmp_path / "store")
    assert place.sizes() == {}
    place.put("a/b", b"one")
    place.put("a/b", b"other")
    assert place.get("a/b") == b"one"
    assert place.sizes("a/") == {"a/b": 3}
    assert place.get("a/c") is None


def test_a_backup_that_is_not_there_is_told_with_its_neighbours(tmp_path: Path) -> None:
    place = Folder(tmp_path)
    place.put("redis-backup-dev-20231027T010203Z/manifest.json", b"{")
    place.put("redis-backup-dev-20231028T010203Z/begun.json", b"{")
    with pytest.raises(UserError, match="There is no backup redis-backup-dev-20231027T010204Z") as told:
        catalogue.find(place, "redis-backup-dev-20231027T010204Z")
    assert "Did you mean redis-backup-dev-20231027T010203Z?" in told.value.hint
    with pytest.raises(UserError, match="was never finished"):
        catalogue.find(place, "redis-backup-dev-20231028T010203Z")
    with pytest.raises(UserError, match="The manifest of redis-backup-dev-20231027T010203Z cannot be read"):
        catalogue.latest(place, "dev")
    with pytest.raises(UserError, match="There is no finished backup of prd"):
        catalogue.latest(place, "prd")


@pytest.mark.parametrize("given", ["gs://bucket", "http://x/y"])
def test_a_store_is_a_bucket_or_a_folder(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError, match=f"--store {given} is neither"):
        places.place(Local.read(tmp_path, {}), tmp_path, given, print)


def test_backups_of_a_part_of_a_stack_are_called_by_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.show(tmp_path, "dev:valkey", str(tmp_path)) == 0
    assert "makes one of dev-valkey" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="a stack has no mariadb"):
        command.show(tmp_path, "dev:mariadb", str(tmp_path))


@pytest.mark.parametrize(("latest", "name"), [(True, "redis-backup-dev-20231027T010203Z"), (False, None)])
def test_one_backup_is_chosen(tmp_path: Path, latest: bool, name: str | None) -> None:
    with pytest.raises(ConfigError) as refused:
        command.restore(
            tmp_path, "dev", None, latest=latest, name=name, to=None, overwrite=True, match=None,
            database=None, dry_run=False, verify="none",
        )  # fmt: skip
    assert "Write --latest, or --id with a backup_id" in refused.value.hint
