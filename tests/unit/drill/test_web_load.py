"""The load of the balancer's drill: what it asks for, what is an answer to it, and when it counts from."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_app import FakeApp, closed_port
from fake_server import wait_until

from filewallball.drill.load.server import Load
from filewallball.drill.load.web import users
from filewallball.drill.load.web.__main__ import MORE, make
from filewallball.drill.load.web.account import Account
from filewallball.drill.load.web.connections import Answer, Connections
from filewallball.drill.load.web.mix import BY_NAME, KINDS, PATTERN, mixed
from filewallball.drill.load.web.recording import Plan, Recording, Sample
from filewallball.drill.load.web.users import Users

SERVERS = {"app-0"}


@pytest.fixture
def app() -> Iterator[FakeApp]:
    made = FakeApp()
    yield made
    made.close()


def plan(app: FakeApp, **changes: Any) -> Plan:
    given = {
        "round": "r-1", "url": app.url, "rate": 200.0, "email": "drill@drill.invalid", "password": "p",
        "servers": {"app-0": ("127.0.0.1", app.port), "app-1": ("127.0.0.1", closed_port())},
        "pods": ("127.0.0.1", app.port, app.port), "at_once": 100,
    }  # fmt: skip
    return Plan(**{**given, **changes})


def round_of(app: FakeApp, until: Any = None, **changes: Any) -> Recording:
    """A whole round, as the load's pod is asked for it."""
    load = Load(make)
    load.answer("POST", "start", plan(app, **changes)._asdict())
    try:
        wait_until(lambda: (until or enough)(load.answer("GET", "progress", {})))
        told = load.answer("POST", "finish", {"round": "r-1"})
    finally:
        load.end()
    assert told
    return Recording.from_json(told)


def enough(seen: dict[str, Any]) -> bool:
    return seen["requests"] > 2 * PATTERN and bool(seen["sends_to"]) and seen["passages"] > 0


def test_the_mix_is_mostly_what_may_be_asked_twice_and_evenly_spread():
    first = list(islice(mixed(), 3 * PATTERN))
    assert Counter(kind.name for kind in first) == {kind.name: 3 * kind.share for kind in KINDS}
    assert sum(kind.share for kind in KINDS if kind.idempotent) / PATTERN > 0.95
    assert first[:PATTERN] == first[PATTERN : 2 * PATTERN]
    assert max(len(list(run)) for run in _runs(first)) <= 2


def _runs(kinds: list[Any]) -> Iterator[list[Any]]:
    run: list[Any] = []
    for kind in kinds:
        if run and run[-1] is not kind:
            yield run
            run = []
        run.append(kind)
    yield run


def test_a_round_in_which_all_is_well_leaves_nothing_behind(app: FakeApp):
    found = round_of(app)
    assert {one.kind for one in found.samples} == BY_NAME.keys()
    assert [one for one in found.samples if not one.right] == []
    assert {one.server for one in found.samples} == {"app-0"}
    assert all(one.due <= one.sent <= one.done for one in found.samples)
    assert found.verified
    assert found.uploads >= 2
    assert found.uploads_lost == []
    assert {(one.balancer, one.gets) for one in found.views} == {("balancer-x", ("app-0",))}
    assert {(one.balancer, one.server) for one in found.passages} == {("balancer-x", "app-0")}
    assert {(one.server, one.answers) for one in found.health} == {("app-0", True), ("app-1", False)}
    assert app.files == {}
    assert app.sessions == []
    assert list(app.accounts) == ["drill@drill.invalid"]


def test_the_next_round_takes_the_same_account(app: FakeApp):
    round_of(app)
    round_of(app)
    assert list(app.accounts) == ["drill@drill.invalid"]


class Anybody:
    """Instead of an account."""

    def request(self, _: Any) -> tuple[str, None, None]:
        return "/", None, None

    def right(self, _: Any, answer: Answer) -> bool:
        return answer.status == 200

    async def log_out(self, _: Answer) -> None: ...


def test_requests_are_due_at_a_constant_pace_however_slow_the_answers_are(monkeypatch: pytest.MonkeyPatch):
    class Slow(Connections):
        async def send(self, method: str, path: str, **_: Any) -> Answer:
            await asyncio.sleep(0.5)
            return Answer(200)

    monkeypatch.setattr(users, "Connections", Slow)
    account: Any = Anybody()

    async def run() -> list[Sample]:
        stop = asyncio.Event()
        plan: Any = type("P", (), {"rate": 100.0, "url": "http://127.0.0.1:1", "at_once": 100})()
        load = Users(plan, account)
        running = asyncio.create_task(load.run(stop))
        while len(load.samples) < 50:
            await asyncio.sleep(0.05)
        stop.set()
        await running
        return load.samples

    due = sorted(one.due for one in asyncio.run(run()) if one.kind != "log-in")
    steps = {round(after - before, 6) for before, after in pairwise(due)}
    assert steps == {0.01}


def test_no_more_are_under_way_than_one_address_may_have_and_the_others_wait(monkeypatch: pytest.MonkeyPatch):
    """Or nginx answers 429, which no user would see: they have many addresses. The wait counts."""
    under_way, most = 0, 0

    class Slow(Connections):
        async def send(self, method: str, path: str, **_: Any) -> Answer:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.05)
            under_way -= 1
            return Answer(200)

    monkeypatch.setattr(users, "Connections", Slow)
    account: Any = Anybody()

    async def run() -> list[Sample]:
        load = Users(Plan("r", "http://127.0.0.1:1", 1.0, "", "", {}, ("", 0, 0), 3), account)
        for _ in range(9):
            load._send(BY_NAME["alive"], time.monotonic(), load._users[0])
        while len(load.samples) < 9:
            await asyncio.sleep(0.01)
        return load.samples

    times = sorted(one.done - one.due for one in asyncio.run(run()))
    assert most == 3
    assert times[-1] >= 0.15


def test_progress_tells_how_long_users_wait_and_what_has_ended_since(app: FakeApp):
    load = Load(make, MORE)
    load.answer("POST", "start", plan(app)._asdict())
    try:
        wait_until(lambda: enough(load.answer("GET", "progress", {}) or {}))
        seen = load.answer("GET", "progress", {})
        everything = load.answer("POST", "ended", {"since": 0.0})
        nothing = load.answer("POST", "ended", {"since": time.monotonic() + 60})
    finally:
        load.end()
    assert seen
    assert everything
    assert 0 < seen["median_last_second"] <= seen["p99_last_second"] < 60
    assert everything["requests"] >= seen["requests"]
    assert nothing == {"requests": 0}


def test_what_comes_late_from_a_busy_client_counts_from_when_it_was_due(app: FakeApp):
    """Had it counted from when it was sent, a client that stood still would hide what it waited for."""

    async def run() -> Sample:
        load = Users(plan(app), Account(app.url, "", ""))
        load._send(BY_NAME["alive"], asyncio.get_running_loop().time() - 3, load._users[0])
        while not load.samples:
            await asyncio.sleep(0.01)
        return load.samples[0]

    one = asyncio.run(run())
    assert one.right
    assert one.done - one.due > 3
    assert one.done - one.sent < 3


@pytest.mark.parametrize(
    ("path", "broken", "error", "status"),
    [("/healthz", 500, "", 500), ("/healthz", "reset", "reset", 0), ("/", 503, "", 503)],
)
def test_what_went_wrong_is_told_apart(app: FakeApp, monkeypatch, path, broken, error, status):
    monkeypatch.setattr(users, "AGAIN_SECONDS", 0.01)

    def breaking(seen: dict[str, Any]) -> bool:
        app.broken = {path: broken}
        return seen["wrong_last_second"] > 3

    found = round_of(app, breaking)
    wrong = [one for one in found.samples if not one.right]
    assert {(one.error, one.status) for one in wrong} == {(error, status)}
    assert {one.retry_after for one in wrong} == {status == 503}
    assert {one.again for one in wrong} == ({0} if broken == "reset" else {None})


def test_a_second_try_after_a_refused_connection_is_a_second_figure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(users, "AGAIN_SECONDS", 0.01)
    answers = [Answer(0, "refused"), Answer(200)]

    class Scripted(Connections):
        async def send(self, method: str, path: str, **_: Any) -> Answer:
            return answers.pop(0)

    monkeypatch.setattr(users, "Connections", Scripted)
    account: Any = type(
        "Any",
        (),
        {"request": lambda *_: ("/", None, None), "right": lambda _, __, answer: answer.status == 200},
    )()

    async def run() -> Sample:
        load = Users(Plan("r", "http://127.0.0.1:1", 1.0, "", "", {}, ("", 0, 0), 9), account)
        load._send(BY_NAME["alive"], 0.0, load._users[0])
        while not load.samples:
            await asyncio.sleep(0.001)
        return load.samples[0]

    one = asyncio.run(run())
    assert (one.error, one.right) == ("refused", False)
    assert (one.again, one.again_right) == (200, True)
    assert one.again_done >= one.done


@pytest.mark.parametrize(
    ("answer", "again"),
    [(Answer(0, "refused"), True), (Answer(0, "reset"), True), (Answer(0, "timeout"), False),
     (Answer(0, "cut short: reset"), False), (Answer(502), False)],
)  # fmt: skip
def test_only_connections_are_tried_again(answer: Answer, again: bool):
    assert answer.to_be_tried_again is again


def test_nobody_listens():
    async def run() -> Answer:
        return await Connections(f"http://127.0.0.1:{closed_port()}").send("GET", "/")

    assert asyncio.run(run())[:2] == (0, "refused")


def test_an_answer_that_never_comes():
    async def run() -> Answer:
        server = await asyncio.start_server(lambda *_: asyncio.sleep(60), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        return await Connections(f"http://127.0.0.1:{port}").send("GET", "/", within=0.05)

    assert asyncio.run(run())[:2] == (0, "timeout")


def test_an_answer_that_is_cut_short():
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nX-Served-By: app-0\r\nContent-Length: 9\r\n\r\nhalf")
        writer.close()

    async def run() -> Answer:
        server = await asyncio.start_server(half, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        return await Connections(f"http://127.0.0.1:{port}").send("GET", "/")

    answer = asyncio.run(run())
    assert answer.status == 0
    assert answer.error.startswith("cut short")
    assert answer.server == "app-0"


def test_wrong_bytes_of_a_right_answer_are_an_error(app: FakeApp):
    def damaging(seen: dict[str, Any]) -> bool:
        app.damaged = True
        return seen["wrong_last_second"] > 1 and seen["requests"] > 2 * PATTERN

    found = round_of(app, damaging)
    assert {(one.kind, one.status) for one in found.samples if not one.right} == {("download", 200)}
    assert found.uploads_lost
    assert all("other bytes" in each for each in found.uploads_lost)


def test_acknowledged_upload_that_is_gone_is_counted(app: FakeApp):
    def losing(seen: dict[str, Any]) -> bool:
        app.files.pop("f1", None)
        return seen["requests"] > 2 * PATTERN and "f1" not in app.files

    assert "f1: 404" in round_of(app, losing).uploads_lost


def test_a_round_cannot_begin_where_nobody_can_log_in(app: FakeApp):
    app.broken = {"/api/v1/users": 409}
    with pytest.raises(Exception, match=r"POST /api/v1/users was answered 409"):
        round_of(app)


def test_the_loads_program_needs_neither_cluster_nor_program():
    code = "import sys, filewallball.drill.load.web.__main__; print(*sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    others = {name for name in done.stdout.split() if name.startswith(("filewallball", "pulumi"))}
    strange = {name for name in others if not name.startswith("filewallball.drill")}
    assert strange == {"filewallball", "filewallball.encryption"}


def test_what_a_server_drops_is_not_asked_for_again_behind_ones_back():
    """A kept connection that ends at the next request: aiohttp alone would open another one and ask again."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := (await reader.readuntil(b"\r\n\r\n")):
            asked.append(head)
            if len(asked) == 2:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def run() -> list[Answer]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connections = Connections(f"http://127.0.0.1:{port}")
        found = [await connections.send("GET", "/") for _ in range(2)]
        await connections.close()
        server.close()
        return found

    first, second = asyncio.run(run())
    assert (first.status, first.body) == (200, b"ok")
    assert (second.status, second.error) == (0, "reset")
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "cut short: ClientPayloadError"),
        (b"SSH-2.0-server\r\n", 'ClientResponseError: 400, message="Bad status line'),
        (b"", "reset"),
    ],
)
def test_in_one_word_what_went_wrong_on_a_connection(said: bytes, error: str):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    async def run() -> Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        connections = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        found = await connections.send("GET", "/")
        await connections.close()
        server.close()
        return found

    assert asyncio.run(run()).error.startswith(error)


def test_who_is_not_there_and_who_says_nothing():
    async def run() -> list[str]:
        server = await asyncio.start_server(lambda *_: asyncio.sleep(5), "127.0.0.1", 0)
        silent = Connections(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        absent = Connections(f"http://127.0.0.1:{closed_port()}")
        found = [
            (await silent.send("GET", "/", within=0.1)).error,
            (await absent.send("GET", "/")).error,
        ]
        await silent.close()
        server.close()
        return found

    assert asyncio.run(run()) == ["timeout", "refused"]
