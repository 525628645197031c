"""More connections than a server or a Sentinel takes: the set goes on, and can even change its primary."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from crowd import Crowd, crowd
from handed_on import HandedOn
from local_set import RESERVED, LocalSet, Process, wait_for
from redis.exceptions import ConnectionError
from writing import writer

SHARE = 100


@pytest.fixture(scope="module")
def handed_on(tree: Path, net: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandedOn]:
    found = HandedOn(lambda: LocalSet(tree, tmp_path_factory.mktemp("set"), net, connections=SHARE))
    yield found
    found.drop()


@pytest.fixture
def crowded(whole: LocalSet) -> LocalSet:
    return whole


def login(of: LocalSet, each: Process) -> str:
    return f"AUTH default {of.passwords['app' if each in of.members else 'sentinel']}\r\n"


def port(of: LocalSet, each: Process) -> int:
    return 6379 if each in of.members else 26379


@contextmanager
def crowds(of: LocalSet, where: list[Process], most: int = 5000) -> Iterator[list[Crowd]]:
    """Logged-in ones and silent ones, a process each, until the server refuses, or `most` of each."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(crowd(each.pod.host, port(of, each), login=said, most=most))
            for each in where
            for said in (login(of, each), "")
        ]


@contextmanager
def full_primary(of: LocalSet) -> Iterator[Process]:
    """A primary that refuses, and elsewhere just enough room for the writer."""
    primary = of.wait_whole()
    others = [each for each in of.everything if each is not primary]
    with crowds(of, [primary]), crowds(of, others, most=SHARE // 2 - 10):
        yield primary


def probe(of: LocalSet, each: Process) -> tuple[bool, str]:
    """As the kubelet does, in the pod's own folders."""
    assert each.process
    name = "probe.sh" if each in of.members else "sentinel-probe.sh"
    inside = f"sed s/127.0.0.1/{each.pod.host}/ /etc/filewallball/{name} | /bin/sh"  # all share one host here
    done = subprocess.run(
        ["nsenter", f"--mount=/proc/{each.process.pid}/ns/mnt", "chroot", of.root, "/bin/sh", "-c", inside],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def settled(of: LocalSet, where: list[Process]) -> None:
    """Wait until each server has been brought back to the applications' share."""

    def crowd_of(each: Process) -> int:
        key = "agent" if each in of.members else "peer"
        try:
            text = str(of.client(each, key).execute_command("CLIENT", "LIST"))
        except ConnectionError:  # full between two looks
            return SHARE + 1
        return sum(" user=default " in line for line in text.splitlines())

    wait_for(
        lambda: all(crowd_of(each) <= SHARE for each in where),
        10,
        lambda: str({each.pod.name: crowd_of(each) for each in where}),
    )


def test_a_crowd_everywhere_changes_nothing_for_the_set(crowded: LocalSet) -> None:
    primary = crowded.wait_whole()
    everybody = crowded.everything
    with writer(crowded) as written, crowds(crowded, everybody) as found:
        settled(crowded, everybody)
        assert sum(one.opened for one in found) >= SHARE * len(everybody)
        for each in everybody:
            assert probe(crowded, each) == (True, ""), each.pod.name
            assert crowded.client(each, "checks").ping()
        for each in crowded.members:
            assert crowded.client(each, "backup").ping()
            assert crowded.client(each, "agent").ping()
        agents = [each.agent for each in crowded.members if each.agent]
        wait_for(
            lambda: all(agent.state()["ready"] for agent in agents),
            10,
            lambda: str([agent.state() for agent in agents]),
        )
        written.wait_for_more()
        assert crowded.wait_whole() is primary
        assert SHARE * 0.9 <= found[0].held() + found[1].held() <= SHARE
    assert written.lost(crowded) == []


def test_the_place_is_handed_over_and_a_replica_comes_back_while_all_are_full(crowded: LocalSet) -> None:
    with writer(crowded) as written, full_primary(crowded) as old:
        crowded.stop(old)
        written.wait_for_more()
        crowded.start([old])
        assert crowded.wait_whole() is not old
    assert written.lost(crowded) == []


def test_a_primary_that_is_lost_while_it_is_full_is_replaced(crowded: LocalSet) -> None:
    with writer(crowded) as written, full_primary(crowded) as old:
        crowded.kill(old)
        crowded.start_server(old)
        written.wait_for_more()
        assert crowded.wait_whole() is not old


def test_a_server_that_nobody_guards_fills_up_and_is_alive(crowded: LocalSet) -> None:
    primary = crowded.wait_whole()
    for each in crowded.members:
        crowded.stop_agent_roughly(each)
    with crowd(primary.pod.host, 6379, login=login(crowded, primary)) as everybody:
        assert everybody.opened > SHARE + RESERVED // 2
        for _ in range(10):
            assert probe(crowded, primary) == (True, "")
    for each in crowded.members:
        crowded.start_agent(each)
    assert crowded.wait_whole() is primary


def test_one_agent_guards_the_servers_of_the_others(crowded: LocalSet) -> None:
    """While an agent restarts, the connections of the others are there."""
    primary = crowded.wait_whole()
    crowded.stop_agent_roughly(primary)
    with crowds(crowded, [primary]) as found:
        wait_for(lambda: found[0].held() + found[1].held() <= SHARE, 10, lambda: "still too many")
        assert crowded.client(primary, "checks").ping()
        crowded.start_agent(primary)
        agent = primary.agent
        assert agent
        wait_for(lambda: agent.state()["ready"], 10, lambda: str(agent.state()))
