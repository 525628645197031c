"""What the load's pod sees for itself: the bare protocol, probes, listeners, and the look at the set."""

from __future__ import annotations

import pytest
from fake_server import FakeServer, array, bulk, fields, running, wait_until, words

from filewallball.drill.load.probes import MemberProbe
from filewallball.drill.load.recording import Event
from filewallball.drill.load.resp import Connection, Refusal, info, pairs
from filewallball.drill.load.sentinels import Listener
from filewallball.drill.load.whole import Eye

OK = "+OK\r\n"

# ---- protocol ----


def test_every_kind_of_reply(serve):
    replies = {
        "PING": "+PONG\r\n", "GET": "$-1\r\n", "INCR": ":42\r\n", "SET": "-READONLY no\r\n",
        "LIST": array(bulk("a\r\nb"), ":1\r\n", array(), "*-1\r\n"),
    }  # fmt: skip
    connection = Connection(serve(lambda given: replies[given[0]]).address, 5)
    assert connection.calls(("PING",), ("GET", "k"), ("INCR", "k")) == ["PONG", None, 42]
    refused = connection.call("SET", "k", "v")
    assert isinstance(refused, Refusal)
    assert refused.code == "readonly"
    assert connection.call("LIST") == ["a\r\nb", 1, [], None]


def test_silence_is_a_timeout_and_the_answer_may_come_later(serve):
    server = serve(lambda _: OK)
    server.running.clear()
    connection = Connection(server.address, 5)
    connection.send(("SET", "k", "v"))
    for timeout in (0.0, 0.05):
        with pytest.raises(TimeoutError):
            connection.reply(timeout)
    server.running.set()
    assert connection.reply() == "OK"


def test_closed_connection_is_an_error(serve):
    server = serve(lambda _: OK)
    connection = Connection(server.address, 5)
    assert connection.call("PING") == "OK"
    server.drop_clients()
    with pytest.raises(OSError, match="closed by the server"):
        connection.reply()


def test_pairs_and_info():
    assert pairs(["a", "1", "b", "2"]) == {"a": "1", "b": "2"}
    assert pairs(Refusal("ERR No such master with that name")) == {}
    assert info("# Server\r\nrun_id:ab:c\r\n\r\nrole:master\r\n") == {"run_id": "ab:c", "role": "master"}


# ---- probes ----


def test_probe_tells_acceptance_from_refusal(serve):
    replies = {"SET": OK, "AUTH": OK}
    server = serve(lambda given: replies[given[0]])
    probe = MemberProbe(server.address, ("AUTH", "app"), "k")
    with running(probe):
        wait_until(lambda: probe.accepted_lately)
        replies["SET"] = "-NOREPLICAS Not enough good replicas to write.\r\n"
        wait_until(lambda: probe.samples[-1].verdict == "noreplicas")
        assert not probe.accepted_lately
    assert server.seen[0] == ["AUTH", "app"]
    assert server.seen[1][:2] == ["SET", "k"]


def test_probe_sees_what_a_woken_server_accepts(serve):
    server = serve(lambda _: OK)
    probe = MemberProbe(server.address, ("AUTH", "app"), "k")
    with running(probe):
        wait_until(lambda: probe.accepted_lately)
        server.running.clear()
        wait_until(lambda: len([one for one in probe.samples if one.verdict == "silent"]) > 8)
        before = len(probe.samples)
        server.running.set()
        wait_until(lambda: any(one.answered - one.sent > 0.5 for one in probe.samples[before:]))
        wait_until(lambda: probe.accepted_lately)
    late = [one for one in probe.samples[before:] if one.answered - one.sent > 0.5]
    assert {one.verdict for one in late} == {"accepted"}


def test_probe_of_a_server_that_is_down(serve):
    server = serve(lambda _: OK)
    server.close()
    probe = MemberProbe(server.address, ("AUTH", "app"), "k")
    with running(probe):
        wait_until(lambda: len(probe.samples) > 1)
    assert {one.verdict for one in probe.samples} == {"closed"}


# ---- listeners ----


def test_listener_hears_and_comes_back(serve):
    def answer(given: list[str]) -> str:
        return OK + words("message", "+sdown", "master m") if given[0] == "SUBSCRIBE" else OK

    server = serve(answer)
    heard: list[Event] = []
    with running(Listener("s-0", server.address, ("AUTH", "x"), heard)):
        wait_until(lambda: len(heard) == 1)
        server.drop_clients()
        wait_until(lambda: len(heard) == 2)
    assert heard[0][1:] == ("s-0", "+sdown", "master m")


# ---- the look at the set ----


def member(role: str, **others: str) -> dict[str, str]:
    return {"role": role, "run_id": "r", "rdb_last_save_time": "7", "loading": "0", **others}


PRIMARY = member("master", slave0="ip=x,port=1,state=online,offset=1,lag=0")
REPLICA = member("slave", master_host="HOST", master_link_status="up")


def sentinel_answer(given: list[str], **changes: str) -> str:
    said = {
        "MASTER": fields(ip="HOST", flags="master"),
        "REPLICAS": array(fields(ip="x", flags="slave")),
        "SENTINELS": array(),
    } | changes
    return bulk("run_id:s\r\n") if given[0] == "INFO" else said[given[1]] if given[0] == "SENTINEL" else OK


@pytest.fixture
def look(serve):
    """`look(primary, replica, **sentinel)`: what a look at such a set shows.

    All servers share one loopback address, so members are told apart by made-up ones.
    """

    def at(first: dict[str, str] | None, second: dict[str, str] | None, **sentinel: str) -> str:
        def shows(facts: dict[str, str] | None) -> FakeServer:
            text = "".join(f"{name}:{value}\r\n" for name, value in (facts or {}).items())
            return serve(lambda given: bulk(text) if given[0] == "INFO" else OK)

        servers = {"a": shows(first), "b": shows(second)}
        voting = serve(lambda given: sentinel_answer(given, **sentinel))
        hosts = {"a": "HOST", "b": "OTHER"}
        if second is None:
            servers["b"].close()
        eye = Eye(
            {name: server.address for name, server in servers.items()},
            {"s": voting.address}, "m", ("AUTH", "checks", "x"),
        )  # fmt: skip
        eye._names = {host: name for name, host in hosts.items()}
        return eye.look().why

    return at


def test_whole_set(look):
    assert look(PRIMARY, REPLICA) == ""


@pytest.mark.parametrize(
    ("first", "second", "sentinel", "why"),
    [
        (PRIMARY, None, {}, "b doesn't answer"),
        (PRIMARY, member("master"), {}, "2 members call themselves primary: a, b"),
        (member("slave"), REPLICA, {}, "0 members call themselves primary: none"),
        (PRIMARY, REPLICA | {"loading": "1"}, {}, "b is loading its data"),
        (PRIMARY, REPLICA | {"master_host": "OTHER"}, {}, "b follows OTHER, and a is primary"),
        (PRIMARY, REPLICA | {"master_link_status": "down"}, {}, "b isn't linked to a"),
        (member("master"), REPLICA, {}, "a has 0 replicas online, not 1"),
        (PRIMARY, REPLICA, {"MASTER": fields(ip="OTHER", flags="master")}, "s takes b for the primary"),
        (PRIMARY, REPLICA, {"MASTER": "-ERR No such master with that name\r\n"}, "s: ERR No such master"),
        (PRIMARY, REPLICA, {"MASTER": "-NOPERM no\r\n"}, "s doesn't answer"),
        (PRIMARY, REPLICA, {"MASTER": fields(ip="HOST", flags="master,s_down")}, "primary a master,"),
        (PRIMARY, REPLICA, {"REPLICAS": array(fields(ip="OTHER", flags="slave,s_down"))}, "finds replica b"),
        (PRIMARY, REPLICA, {"REPLICAS": array()}, "s knows 0 replicas and 0 other Sentinels"),
        (PRIMARY, REPLICA, {"SENTINELS": array(fields(name="z", flags="sentinel"))}, "1 other Sentinels"),
    ],
)  # fmt: skip
def test_set_that_is_not_whole(look, first, second, sentinel, why):
    assert why in look(first, second, **sentinel)
