"""The load's pod: its clients, and a round over HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from fake_server import bulk, running, wait_until

from filewallball.drill.load import server as http
from filewallball.drill.load.__main__ import load as of_the_set
from filewallball.drill.load.clients import Reader, Waiters, Writer
from filewallball.drill.load.recording import Plan, Recording
from filewallball.drill.load.round import Passwords

OK = "+OK\r\n"
PASSWORDS = Passwords("app", "sentinel", "checks", "backup")
TOKEN = "secret"


def plan(**changes) -> Plan:
    given = {
        "round": "r-1", "members": {}, "sentinels": {}, "master": "m", "rate": 500.0, "read_rate": 500.0,
        "wait_every": 10, "preload": 0,
    }  # fmt: skip
    return Plan(**{**given, **changes})


# ---- clients ----


class FakeValkey:
    """Keeps what it is given, unless told to forget or to fail."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.fail: Exception | None = None
        self.replicas = 2

    def call(self, function):
        if self.fail:
            raise self.fail
        return function(self)

    read = call

    def close(self) -> None: ...

    def set(self, key: str, value: str, ex: int) -> bool:
        assert ex > 60
        self.data[key] = value
        return True

    def get(self, key: str) -> str | None:
        return self.data.get(key)

    def mget(self, keys: list[str]) -> list[str | None]:
        return [self.data.get(key) for key in keys]

    def unlink(self, *keys: str) -> None:
        for key in keys:
            self.data.pop(key, None)

    def pipeline(self, transaction: bool):
        assert not transaction
        return FakePipeline(self)


class FakePipeline:
    """Of its own for each thread."""

    def __init__(self, valkey: FakeValkey) -> None:
        self._valkey = valkey
        self._queue: list[str | int] = []

    def set(self, key: str, value: str, ex: int) -> None:
        self._valkey.set(key, value, ex)
        self._queue.append("OK")

    def execute_command(self, *given: object) -> None:
        assert given == ("WAIT", 1, 400)
        self._queue.append(self._valkey.replicas)

    def execute(self) -> list[str | int]:
        return self._queue


def test_writer_remembers_acknowledgements_and_finds_what_is_lost():
    valkey = FakeValkey()
    writer = Writer(valkey, plan(preload=1200))
    writer.preload()
    assert [ack.seq for ack in writer.acks] == list(range(1, 1201))
    with running(writer):
        wait_until(lambda: len(writer.acks) > 1240)
    waited = {ack.seq: ack.waited for ack in writer.acks[1200:]}
    assert all((count == 2) if seq % 10 == 0 else (count is None) for seq, count in waited.items())
    assert all(ack.sent <= ack.acked for ack in writer.acks)
    assert writer.verify() == []
    del valkey.data["fwb-drill:r-1:7"]
    valkey.data["fwb-drill:r-1:1210"] = "something older"
    assert writer.verify() == [7, 1210]
    writer.clean_up()
    assert valkey.data == {}


def test_writer_goes_on_after_a_write_was_given_up():
    valkey = FakeValkey()
    writer = Writer(valkey, plan())
    reader = Reader(valkey.read, writer, plan())
    with running(writer), running(reader):
        wait_until(lambda: reader.answered and writer.acks)
        valkey.fail = ConnectionError("nobody there")
        wait_until(lambda: writer.errors)
        acked, answered = len(writer.acks), len(reader.answered)
        valkey.fail = None
        wait_until(lambda: len(writer.acks) > acked + 1 and len(reader.answered) > answered + 1)
    assert writer.errors[0][1] == "ConnectionError: nobody there"
    assert writer.verify() == []


def test_threads_that_wait_for_a_replica_count_only_what_one_has():
    valkey = FakeValkey()
    waiters = Waiters(valkey, plan(waiters=4, waiter_rate=200.0))
    assert len(waiters.writers) == 4
    with ExitStack() as threads:
        for writer in waiters.writers:
            threads.enter_context(running(writer))
        wait_until(lambda: all(len(writer.acks) > 20 for writer in waiters.writers))
        valkey.replicas = 0
        wait_until(lambda: all(any(not ack.waited for ack in one.acks) for one in waiters.writers))
    assert len(waiters.acknowledged) + waiters.in_vain == sum(len(one.acks) for one in waiters.writers)
    assert waiters.acknowledged == sorted(waiters.acknowledged)
    assert waiters.lost() == 0
    for one in waiters.writers:
        in_vain = next(ack.seq for ack in one.acks if not ack.waited)
        del valkey.data[f"fwb-drill:r-1:w{waiters.writers.index(one)}:{in_vain}"]
    assert waiters.lost() == 0, "nobody was told that these are safe"
    del valkey.data["fwb-drill:r-1:w2:5"]
    valkey.data["fwb-drill:r-1:w3:5"] = "something older"
    assert waiters.lost() == 2
    waiters.clean_up()
    assert valkey.data == {}


def test_what_runs_in_the_cluster_needs_only_what_the_image_has():
    program = (
        "import sys, filewallball.drill.load.__main__, filewallball.drill.load.lone;"
        "print(*{name for name in sys.modules if name.partition('.')[0] in"
        " ('filewallball', 'pulumi', 'rich', 'typer', 'lightkube', 'pydantic')})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = ("filewallball.drill.load", "filewallball.storage")
    others = {name for name in done.stdout.split() if not name.startswith(ours)}
    assert others == {"filewallball", "filewallball.drill", "filewallball.encryption"}


# ---- HTTP ----


@pytest.fixture
def load() -> Iterator[tuple[http.Load, Callable, FakeValkey]]:
    valkey = FakeValkey()
    loaded = of_the_set(PASSWORDS, lambda plan, passwords: valkey)
    server = http.listen(loaded, TOKEN, 0, "127.0.0.1")
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def ask(what: str, body: dict | None = None, token: str = TOKEN):
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{server.server_address[1]}/{token}/{what}"
        with urllib.request.urlopen(url, data, timeout=20) as answer:
            return json.load(answer)

    yield loaded, ask, valkey
    loaded.end()
    server.shutdown()
    server.server_close()


def test_a_round_from_start_to_finish(load, serve):
    _, ask, valkey = load
    silent = serve(lambda _: OK)
    servers = {"members": {"valkey-0": silent.address}, "sentinels": {"s-0": silent.address}}
    asked = plan(**servers, waiters=2, waiter_rate=100.0)._asdict()
    assert ask("start", asked) == {}
    assert ask("start", asked) == {}  # sent again: the round that runs is meant
    wait_until(lambda: ask("progress")["acked"] > 20)
    wait_until(lambda: ask("progress")["accepting"] == ["valkey-0"])
    seen = ask("progress")
    assert seen["whole"] is False
    assert seen["acked_last_second"] > 0
    found = Recording.from_json(ask("finish", {"round": "r-1"}))
    assert found.verified
    assert found.lost == []
    assert found.interval == pytest.approx(0.002)
    assert len(found.acks) > 20
    # A writer that was in the middle of one when the round ended has it acknowledged a moment later.
    assert found.began < found.waited[-1] < found.ended + 5
    assert (found.waiter_interval, found.waited_in_vain, found.waited_lost) == (0.01, 0, 0)
    assert found.reads["primary"]
    assert found.reads["replica"]
    assert found.probes["valkey-0"]
    assert found.began < found.acks[-1].acked < found.ended + 5
    assert valkey.data == {}
    assert len(ask("finish", {"round": "r-1"})["acks"]) == len(found.acks)


def test_round_whose_writes_cannot_be_looked_up(load, serve):
    _, ask, valkey = load
    ask("start", plan()._asdict())
    wait_until(lambda: ask("progress")["acked"] > 5)
    valkey.fail = ConnectionError("nobody there")
    assert ask("finish", {"round": "r-1"})["verified"] is False


def test_a_round_counts_what_its_waiting_threads_lost(load):
    _, ask, valkey = load
    ask("start", plan(waiters=1, waiter_rate=100.0)._asdict())
    wait_until(lambda: "fwb-drill:r-1:w0:5" in valkey.data)
    valkey.data["fwb-drill:r-1:w0:3"] = "something older"
    found = Recording.from_json(ask("finish", {"round": "r-1"}))
    assert found.verified
    assert found.lost == []
    assert found.waited_lost == 1


def test_a_member_saves_in_the_middle_of_a_round(load, serve):
    _, ask, _ = load
    server = serve(lambda given: saved_at_once(given) if given[0] in ("BGSAVE", "INFO") else OK)
    ask("start", plan(members={"valkey-0": server.address})._asdict())
    before = time.monotonic()
    assert before < ask("save", {"member": "valkey-0"})["saved"] < time.monotonic()
    assert ["AUTH", "backup", "backup"] in server.seen


def saved_at_once(given: list[str]) -> str:
    if given[0] == "BGSAVE":
        return "+Background saving started\r\n"
    return bulk("rdb_bgsave_in_progress:0\r\nrdb_last_bgsave_status:ok\r\n")


def test_a_new_round_ends_the_one_before(load):
    _, ask, valkey = load
    ask("start", plan()._asdict())
    wait_until(lambda: ask("progress")["acked"] > 5)
    ask("start", plan(round="r-2")._asdict())
    wait_until(lambda: ask("progress")["acked"] > 5)
    ask("finish", {"round": "r-2"})
    assert valkey.data == {}


@pytest.mark.parametrize(
    ("what", "body", "token", "status"),
    [
        ("clock", None, "guess", 404),
        ("nothing", None, TOKEN, 404),
        ("progress", None, TOKEN, 500),
        ("finish", {"round": "r-9"}, TOKEN, 500),
        ("save", {"member": "valkey-0"}, TOKEN, 500),
        ("start", {"round": "r-9"}, TOKEN, 500),
    ],
)
def test_questions_that_have_no_answer(load, what, body, token, status):
    _, ask, _ = load
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(what, body, token)
    assert refused.value.code == status


def test_clock(load):
    _, ask, _ = load
    before = time.monotonic()
    assert before <= ask("clock")["monotonic"] <= time.monotonic()


def test_left_alone_the_process_ends_and_takes_its_keys_along(monkeypatch):
    monkeypatch.setattr(http, "IDLE_SECONDS", 0.5)
    valkey = FakeValkey()
    loaded = of_the_set(PASSWORDS, lambda plan, passwords: valkey)
    loaded.answer("POST", "start", plan()._asdict())
    wait_until(lambda: valkey.data)
    http.serve(loaded, TOKEN, 0)  # returns
    assert valkey.data == {}
