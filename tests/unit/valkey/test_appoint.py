"""Handing the primary's place over: what is done in which order, and that nobody waits for who hangs."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from filewallball.valkey.appoint import Appointments, Failed
from filewallball.valkey.layout import PORT, Layout, Pod
from filewallball.valkey.member import View
from filewallball.valkey.sentinels import NotElected, Opinion, Panel

MEMBERS = tuple(Pod(f"valkey-{n}", f"10.0.0.{n + 1}") for n in range(3))
SENTINELS = tuple(Pod(f"valkey-sentinel-{n}", f"10.0.1.{n + 1}") for n in range(5))
LAYOUT = Layout(MEMBERS[0], MEMBERS, SENTINELS, "sessions", 3)
WAIT = 10.0
"""Seconds after which a test gives up what should happen at once."""


class FakeSentinel:
    """Votes for everybody and takes every announcement, unless its `gate` is shut."""

    def __init__(self, journal: list[str]) -> None:
        self.primary = MEMBERS[0].host
        self.epoch = 1
        self.gate = threading.Event()
        self.gate.set()
        self.told_after = self.gate
        self._journal = journal

    def execute_command(self, *words: Any) -> Any:
        assert self.gate.wait(WAIT), "a Sentinel that hangs was waited for"
        if words[0] == "INFO":
            return {"run_id": "since the start"}
        if words[:2] == ("SENTINEL", "DEBUG"):
            self._journal.append("tuned a Sentinel")
            return "OK"
        if words[:2] == ("SENTINEL", "IS-MASTER-DOWN-BY-ADDR"):
            return [0, words[5], words[4]]
        assert words[0] == "PUBLISH"
        assert self.told_after.wait(WAIT), f"told too early: {self._journal}"
        *_, host, port, epoch = words[2].split(",")
        assert int(port) == PORT
        self.primary, self.epoch = host, int(epoch)
        self._journal.append("told a Sentinel")
        return 1

    def pipeline(self, transaction: bool) -> Asking:
        return Asking(self)

    def state(self) -> list[Any]:
        assert self.gate.wait(WAIT), "a Sentinel that hangs was waited for"
        return [[self.primary, str(PORT)], ["flags", "master", "config-epoch", str(self.epoch)]]


class Asking:
    """The pipeline of a fake Sentinel: commands are noted, the answers come with execute()."""

    def __init__(self, sentinel: FakeSentinel) -> None:
        self._sentinel = sentinel

    def execute_command(self, *words: Any) -> None:
        assert words[0] == "SENTINEL"

    def execute(self) -> list[Any]:
        return self._sentinel.state()


class FakeServer:
    """A member's server that does what it is told at once, and notes it."""

    def __init__(self, pod: Pod, journal: list[str], servers: dict[str, FakeServer]) -> None:
        self.pod = pod
        self.source: Pod | None = MEMBERS[0] if pod != MEMBERS[0] else None
        self.followed = threading.Event()
        self._journal = journal
        self._servers = servers

    def call(self, *words: object) -> str:
        return "PONG"

    def offset(self) -> int:
        return 100

    def lead(self) -> None:
        self.source = None
        self._journal.append(f"{self.pod.name} leads")

    def follow(self, source: Pod) -> None:
        self.source = source
        self._journal.append(f"{self.pod.name} follows {source.name}")
        self.followed.set()

    def replicas_online(self) -> int:
        return sum(each.source == self.pod for each in self._servers.values())

    def acknowledged(self) -> tuple[int, dict[str, int]]:
        return 100, {each.pod.host: 100 for each in self._servers.values() if each.source == self.pod}

    def disconnect_clients(self) -> None:
        self._journal.append("clients disconnected")

    @contextmanager
    def writes_paused(self, seconds: float) -> Generator[None]:
        self._journal.append("paused")
        yield
        self._journal.append("unpaused")


class Scene:
    """The set of LAYOUT, seen by the agent of its primary."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal: list[str] = []
        self.said: list[str] = []
        self.sentinels = {pod: FakeSentinel(self.journal) for pod in SENTINELS}
        self.servers: dict[str, FakeServer] = {}
        self.servers |= {pod.name: FakeServer(pod, self.journal, self.servers) for pod in MEMBERS}
        self.panel = Panel(LAYOUT)
        monkeypatch.setattr(self.panel, "_clients", self.sentinels)
        fakes: Any = self.servers
        self.appointments = Appointments(LAYOUT, self.panel, fakes, self.said.append)

    def hand_over(self) -> None:
        peers = {
            pod.name: View(pod.name, "replica", open=True, source=MEMBERS[0].host, linked=True, uptime=n)
            for n, pod in enumerate(MEMBERS[1:])
        }
        self.appointments.hand_over(Opinion(MEMBERS[0], 1, down=False), peers)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_the_others_follow_before_the_sentinels_send_the_clients(scene: Scene) -> None:
    """A client's WAIT counts on them: the old primary acknowledges nothing while its pause lasts."""
    for sentinel in scene.sentinels.values():
        sentinel.told_after = scene.servers["valkey-2"].followed
    scene.hand_over()
    told = scene.journal.index("told a Sentinel")
    for done in ("valkey-1 leads", "valkey-0 follows valkey-1", "valkey-2 follows valkey-1"):
        assert scene.journal.index(done) < told, scene.journal
    assert scene.journal.index("unpaused") > scene.journal.index("clients disconnected") > told


def test_sentinels_that_have_just_started_are_tuned_before_they_vote(scene: Scene) -> None:
    """Untuned they find a new primary down before they ask it, and fail over to an older replica."""
    scene.hand_over()
    tuned = [line for line in scene.journal[: scene.journal.index("paused")] if line == "tuned a Sentinel"]
    assert len(tuned) >= LAYOUT.majority
    assert scene.journal.count("tuned a Sentinel") <= len(SENTINELS), "once for each start"


def test_sentinels_that_hang_are_not_waited_for_where_a_majority_answers(scene: Scene) -> None:
    hung = [scene.sentinels[pod] for pod in SENTINELS[:2]]
    for each in hung:
        each.gate.clear()
    try:
        scene.hand_over()
        assert [each.primary for each in hung] == [MEMBERS[0].host] * 2, "they had no part in it"
    finally:
        for each in hung:
            each.gate.set()
    assert scene.said[0].startswith("handed over to valkey-1")


def test_a_minority_of_sentinels_decides_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> None:
        raise OSError("gone")

    for pod in SENTINELS[:3]:
        monkeypatch.setattr(scene.sentinels[pod], "execute_command", refuse)
    with pytest.raises(NotElected, match="2 of 5 Sentinels answered"):
        scene.hand_over()
    assert "paused" not in scene.journal, "the primary leads on"


def test_a_set_without_a_linked_replica_keeps_its_primary(scene: Scene) -> None:
    with pytest.raises(Failed, match="no replica is linked"):
        scene.appointments.hand_over(Opinion(MEMBERS[0], 1, down=False), {"valkey-1": None})
    assert scene.journal == []
