"""Starts from nothing, after a power cut, in any order, without some volumes: one primary, the freshest."""

from __future__ import annotations

import random
import secrets
import signal
import time
from pathlib import Path

import pytest
from local_set import LocalSet, Process, free_net, wait_for

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.valkey import agent, decide


def freshest(found: LocalSet) -> tuple[Process, str]:
    """Write, have a replica alone save it, and cut the power; returns that replica, and what `kept` is."""
    value = secrets.token_hex(4)  # older ones may be on the disks of all
    primary = found.wait_whole()
    replica = next(each for each in reversed(found.members) if each is not primary)

    def tick() -> int:
        """The server's own word: its agent's may be several ticks older."""
        return int(found.client(primary, "agent", db=CLOCK_DB).hmget(CLOCK, ["tick"])[0] or 0)

    # A replica that has just come has saved what it was sent. Data are older by whole ticks of the clock.
    since = tick()
    wait_for(lambda: tick() >= since + 2, 30, lambda: f"tick {tick()}, at first {since}")
    client = found.client(primary)
    client.set("kept", value)
    assert client.wait(2, 5000) == 2
    found.stop_agent_roughly(replica)
    found.kill(replica, signal.SIGTERM)  # saves, as the others have not
    found.power_cut()
    return replica, value


def test_the_freshest_member_leads_after_a_power_cut(whole: LocalSet) -> None:
    replica, value = freshest(whole)
    assert replica is not whole.members[0]
    whole.start()
    assert whole.wait_whole() is replica
    assert whole.client(replica).get("kept") == value


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_in_whatever_order_pods_start_the_freshest_leads(whole: LocalSet, seed: int) -> None:
    replica, value = freshest(whole)
    order = whole.everything
    random.Random(seed).shuffle(order)
    for each in order:
        whole.start([each])
        time.sleep(0.2)  # a stagger is what is tested
    assert whole.wait_whole() is replica
    assert whole.client(replica).get("kept") == value


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absent members are waited for, but for less long."""
    monkeypatch.setattr(decide, "ABSENT_SECONDS", 1.5)


@pytest.mark.usefixtures("impatient")
def test_a_member_that_stays_away_is_not_waited_for_for_ever(whole: LocalSet) -> None:
    replica, _ = freshest(whole)
    whole.start([each for each in whole.everything if each is not replica])
    others = [each.pod.name for each in whole.members if each is not replica]
    wait_for(
        lambda: sorted(whole.roles()[name].split()[0] for name in others) == ["master", "slave"],
        30,
        lambda: str(whole.roles()),
    )


def test_lost_volumes_of_members_and_sentinels(whole: LocalSet) -> None:
    primary = whole.wait_whole()
    replica, value = freshest(whole)
    for each in (primary, *whole.sentinels[:2]):
        whole.lose_volume(each)
    whole.start()
    assert whole.wait_whole() is replica
    assert whole.client(primary).get("kept") == value


def test_sentinels_that_lose_their_memory_learn_of_the_living_primary(whole: LocalSet) -> None:
    primary = whole.wait_whole()
    if primary is whole.members[0]:  # whom Sentinels without memory name
        whole.stop(primary)
        whole.start([primary])
        primary = whole.wait_whole()
    assert primary is not whole.members[0]
    whole.client(primary).set("alive", "yes")
    for each in whole.sentinels:
        whole.kill(each)
        whole.lose_volume(each)
    whole.start(whole.sentinels)
    assert whole.wait_whole() is primary
    assert whole.client(primary).get("alive") == "yes"


def test_waiting_for_sentinels_is_no_waiting_for_members(whole: LocalSet) -> None:
    """The node with old data starts first, the Sentinels come with the others, much later."""
    replica, value = freshest(whole)
    early = next(each for each in whole.members if each is not replica)
    whole.start([early])
    assert early.agent
    early.agent._settled_at -= 1000  # it has been waiting for a majority all the time
    whole.start(whole.sentinels)
    wait_for(lambda: early.agent._named, 30, lambda: "no majority")
    whole.start([each for each in whole.members if each is not early])
    assert whole.wait_whole() is replica
    assert whole.client(early).get("kept") == value


@pytest.mark.usefixtures("impatient")
def test_a_leader_without_replicas_gives_way_to_fresher_data_that_come_later(
    whole: LocalSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if another one with old data comes first, which would be its replica, so that it took writes."""
    monkeypatch.setattr(decide, "TOGETHER_SECONDS", 20)
    replica, value = freshest(whole)
    alone, old = (each for each in whole.members if each is not replica)
    whole.start([alone, *whole.sentinels])
    wait_for(lambda: whole.roles()[alone.pod.name] == "master", 30, lambda: str(whole.roles()))
    whole.start([old])
    agent = old.agent
    assert agent
    wait_for(lambda: "may have fresher data" in agent._step.why, 15, lambda: str(agent._step))
    whole.start([replica])
    wait_for(lambda: whole.whole() == replica.pod.name, 30, lambda: f"{whole.named()} {whole.roles()}")
    assert whole.client(alone).get("kept") == value


def test_addresses_that_have_changed_meanwhile(idle: LocalSet, tree: Path, net: int) -> None:
    """As when Services are made anew: no address that a Sentinel has kept is right any more."""
    idle.start()
    replica, value = freshest(idle)
    moved = LocalSet(tree, idle.folder, free_net(net + 50))
    try:
        moved.start()
        assert moved.wait_whole().pod.name == replica.pod.name
        assert moved.client(moved.wait_whole()).get("kept") == value
    finally:
        moved.close()


@pytest.mark.parametrize(
    ("before", "after"), [("no", "yes"), pytest.param("yes", "no", marks=pytest.mark.nightly)]
)
def test_switching_the_append_only_file_keeps_the_data(
    idle: LocalSet, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(agent, "TUNE_SECONDS", 1.0)  # how often it looks at the setting
    idle.settings["appendonly"] = before
    idle.start()
    primary = idle.wait_whole()
    idle.client(primary).set("kept", "through the switch")
    idle.client(primary).wait(2, 5000)
    for each in idle.members:
        idle.stop_agent_roughly(each)
        idle.kill(each, signal.SIGTERM)
    idle.power_cut()
    idle.settings["appendonly"] = after
    idle.start()
    primary = idle.wait_whole()
    assert idle.client(primary).get("kept") == "through the switch"
    live = idle.client(primary, "checks")
    wait_for(
        lambda: live.config_get("appendonly") == {"appendonly": after},
        10,
        lambda: str(live.config_get("appendonly")),
    )


def test_an_append_only_file_that_never_came_to_be_is_not_read(idle: LocalSet) -> None:
    idle.start()
    replica, value = freshest(idle)
    folder = replica.folder / "data" / "appendonlydir"
    folder.mkdir()
    (folder / "temp-appendonly.aof.incr").write_text("")
    idle.settings["appendonly"] = "yes"
    idle.start()
    assert idle.client(idle.wait_whole()).get("kept") == value
