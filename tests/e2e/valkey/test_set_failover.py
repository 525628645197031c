"""What happens to clients and data when the primary goes: in order, by a crash, frozen, or cut off."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from local_set import MASTER, LocalSet, Process, wait_for
from redis.exceptions import NoPermissionError, RedisError, ResponseError
from writing import writer

from filewallball.valkey.layout import Pod
from filewallball.valkey.member import Server


def test_a_primary_that_stops_in_order_loses_no_write(whole: LocalSet) -> None:
    """SENTINEL FAILOVER lost more than half: the old primary went on taking writes."""
    old = whole.wait_whole()
    with writer(whole) as written:
        whole.stop(old)
        written.wait_for_more()
        whole.start([old])
        assert whole.wait_whole() is not old
    assert written.lost(whole) == []


def test_the_place_goes_round_and_no_write_is_lost(whole: LocalSet) -> None:
    with writer(whole) as written:
        for each in reversed(whole.members):
            whole.stop(each)
            whole.start([each])
            whole.wait_whole()
    assert written.lost(whole) == []


def test_a_primary_that_stops_stays_until_another_replica_can_acknowledge(whole: LocalSet) -> None:
    """Its own acknowledgements end with it. What follows a write with WAIT would stand still."""
    old = whole.wait_whole()
    assert old.agent
    replicas = [each for each in whole.members if each is not old]
    for each in replicas:
        assert each.agent
        each.agent._act = lambda step: None  # type: ignore[method-assign]  # they would mend it, after a while
    lost: list[str] = []

    def lose_the_first(server: Server) -> None:
        follow = server.follow

        def once_lost(source: Pod) -> None:
            if server.pod.name not in lost:
                lost.append(server.pod.name)
                raise ConnectionError("the command got lost")
            follow(source)

        server.follow = once_lost  # type: ignore[method-assign]

    for each in replicas:
        lose_the_first(old.agent._servers[each.pod.name])
    whole.stop(old)
    assert lost
    new = next(each for each in replicas if whole.client(each).execute_command("ROLE")[0] == "master")
    pipe = whole.client(new).pipeline(transaction=False)
    pipe.set("must not", "be lost")
    pipe.execute_command("WAIT", 1, 400)
    assert pipe.execute() == [True, 1]
    for each in replicas:
        whole.stop_agent_roughly(each)


def test_applications_cannot_fail_over_by_hand(whole: LocalSet) -> None:
    client = whole.client(whole.sentinels[0], "sentinel")
    for command in (
        ("FAILOVER", "valkey-session-master"),
        ("RESET", "*"),
        ("SET", "valkey-session-master", "quorum", "1"),
    ):
        with pytest.raises(NoPermissionError):
            client.execute_command("SENTINEL", *command)


def test_an_operators_failover_leaves_one_primary(whole: LocalSet) -> None:
    old = whole.wait_whole()
    operator = whole.client(whole.sentinels[0], "peer")

    def epoch(each: Process) -> int:
        found: Any = whole.client(each, "peer").sentinel_master(MASTER)
        return found["config-epoch"]

    # Forced, it isn't voted about. A Sentinel that has yet to hear of the epoch would use it a second time.
    wait_for(lambda: len({epoch(each) for each in whole.sentinels}) == 1, 20, lambda: "other epochs")

    def begun() -> bool:
        try:
            operator.execute_command("SENTINEL", "FAILOVER", MASTER)
        except ResponseError as error:  # it has just started, and hasn't looked at the replicas yet
            if not str(error).startswith("NOGOODSLAVE"):
                raise
            return False
        return True

    wait_for(begun, 10, lambda: "no suitable replica")
    wait_for(lambda: whole.whole() not in (None, old.pod.name), 20, lambda: str(whole.roles()))


def test_a_killed_primary_that_is_back_at_once_takes_the_place_of_a_replica(whole: LocalSet) -> None:
    """Its file on disk is old, or missing: were it to lead again, all others would lose what they have."""
    old = whole.wait_whole()
    with writer(whole) as written:
        client = whole.client(old)
        client.set("before", "the crash")
        assert client.wait(2, 5000) == 2
        whole.kill(old)
        whole.start_server(old)
        written.wait_for_more()
    new = whole.wait_whole()
    assert new is not old
    assert whole.client(new).get("before") == "the crash"
    assert whole.client(old).get("before") == "the crash"


def test_a_killed_primary_that_stays_away_is_replaced(whole: LocalSet) -> None:
    old = whole.wait_whole()
    with writer(whole) as written:
        whole.stop_agent_roughly(old)
        whole.kill(old)
        written.wait_for_more()
    whole.start([old])
    assert whole.wait_whole() is not old


def test_a_frozen_primary_wakes_as_a_replica(whole: LocalSet) -> None:
    old = whole.wait_whole()
    client = whole.client(old)
    client.set("connected", "before")
    with writer(whole) as written:
        whole.kill(old, signal.SIGSTOP)
        written.wait_for_more()
    whole.kill(old, signal.SIGCONT)
    wait_for(lambda: whole.whole() not in (None, old.pod.name), 20, lambda: str(whole.roles()))
    # The connection that it had is closed, or refuses writes: nothing is taken that would be lost.
    with pytest.raises(RedisError):
        client.set("connected", "after")


def test_links_that_are_ended_are_made_anew(whole: LocalSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What mends a Sentinel that spins on a broken link (sentinels.Panel.spinning)."""
    sentinel, agent = whole.sentinels[2], whole.members[0].agent
    assert agent

    def links() -> set[str]:
        prefix = f"sentinel-{sentinel.pod.identity[:8]}-"
        servers = [whole.client(each, "agent") for each in whole.members]
        servers += [whole.client(each, "peer") for each in whole.sentinels if each is not sentinel]
        found = [each.execute_command("CLIENT", "LIST") for each in servers]
        lines = [line.split() for text in found for line in text.splitlines()]
        return {
            " ".join(fields[:2]) for fields in lines if any(f"name={prefix}" in field for field in fields)
        }

    before = wait_for(lambda: found if len(found := links()) == 10 else None, 10, lambda: str(links()))
    with monkeypatch.context() as patched:
        patched.setattr(agent._panel, "spinning", lambda: [sentinel.pod])
        agent._mend_links()
    # What it then looks like may be taken for a spin: nothing is mended a second time.
    monkeypatch.setattr(agent._panel, "spinning", list)
    wait_for(
        lambda: len(found := links()) == 10 and not found & before, 10, lambda: f"{links()} after {before}"
    )
    whole.wait_whole()


def test_a_lone_primary_refuses_writes(idle: LocalSet) -> None:
    idle.settings["min_replicas_max_lag"] = "2"
    idle.start()
    whole, primary = idle, idle.wait_whole()
    client = whole.client(primary)
    for each in whole.members:
        if each is not primary:
            whole.kill(each, signal.SIGSTOP)

    def refused() -> bool:
        try:
            client.set("alone", 1)
        except ResponseError as error:
            return str(error).startswith("NOREPLICAS")
        return False

    wait_for(refused, 10, lambda: "writes are taken")
    for each in whole.members:
        if each is not primary:
            whole.kill(each, signal.SIGCONT)
    whole.wait_whole()


def test_a_member_without_its_agent_lets_nobody_in(idle: LocalSet) -> None:
    for each in idle.everything:
        idle.start_server(each)
    wait_for(
        lambda: len(set(idle.named())) == 1 and "Error" not in idle.named()[0], 30, lambda: str(idle.named())
    )
    assert set(idle.roles().values()) == {"ConnectionError"}
    idle.start_agent(idle.members[1])
    idle.start_agent(idle.members[2])
    idle.start_agent(idle.members[0])
    idle.wait_whole()
