"""Rounds and events of the balancer's drill. Cluster, load and faults are made up."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_up import place
from made_up_front import SERVERS, Cluster, cluster
from made_up_web import recording, sample

from filewallball.drill import command, members, pod
from filewallball.drill.balancer import events, runner, tool
from filewallball.drill.balancer.changes import ANNOTATION, UNDO_FILE, Changes
from filewallball.drill.balancer.events import BY_NAME, EVENTS, Scene
from filewallball.drill.balancer.front import Front
from filewallball.drill.balancer.runner import Drill
from filewallball.drill.balancer.tool import BALANCER
from filewallball.drill.members import Set
from filewallball.errors import ConfigError, UserError


@pytest.fixture
def kube() -> Cluster:
    return cluster()


@pytest.fixture
def front(kube: Cluster) -> Front:
    return Front.find(place(kube))


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for anything real."""
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=lambda _: None)
    for module in (events, members, pod, runner):
        monkeypatch.setattr(module, "time", clock)


# ---- events ----


class FakeFaults:
    """Remembers what was done."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str):
        def call(*arguments: Any, **_: Any) -> float:
            self.done.append((name, *arguments[1:]))
            return 100.0

        return call


def scene(front: Front, folder: Path, faults: Any = None) -> Scene:
    return Scene(front, 1, Changes(front, folder), faults, lambda: "valkey-2", soon=0.25, at=1.0)


@pytest.mark.parametrize(
    ("event", "done"),
    [
        ("app-killed", [("kill", "app-1", "app")]),
        ("app-frozen", [("stop", "app-1", "app"), ("resume", "app-1", "app")]),
        ("app-port-closed", [("cut", "app-1", "closed"), ("heal", "app-1")]),
        (
            "app-all-fail",
            [*(("cut", name, "closed") for name in SERVERS), *(("heal", name) for name in SERVERS)],
        ),
        ("balancer-killed", [("kill", "balancer-b", "nginx")]),
        ("session-failover", [("kill", "valkey-2", "valkey")]),
    ],
)
def test_events_on_nodes(front: Front, tmp_path: Path, event: str, done: list[tuple[Any, ...]]):
    faults = FakeFaults()
    played = scene(front, tmp_path, faults)
    BY_NAME[event].inject(played)
    assert faults.done == done
    assert played.at == 100.0
    assert (played.until is not None) == (len(done) > 1)


@pytest.mark.parametrize("event", [event.name for event in EVENTS if event.on_nodes])
def test_events_on_nodes_need_a_sandbox(front: Front, tmp_path: Path, event: str):
    with pytest.raises(UserError, match="needs a sandbox"):
        BY_NAME[event].inject(scene(front, tmp_path))


@pytest.mark.parametrize("event", ["app-frozen", "app-port-closed", "app-all-fail"])
def test_a_fault_ends_also_when_the_drill_is_interrupted(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str
):
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(events, "time", SimpleNamespace(time=time.time, sleep=interrupted))
    faults = FakeFaults()
    with pytest.raises(KeyboardInterrupt):
        BY_NAME[event].inject(scene(front, tmp_path, faults))
    assert faults.done[-1][0] in ("resume", "heal")


def test_a_frozen_server_stays_so_until_nginx_has_given_it_up(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Else no request would ever meet the time that it may cost."""
    slept: list[float] = []
    monkeypatch.setattr(events, "time", SimpleNamespace(time=lambda: 100.0, sleep=slept.append))
    BY_NAME["app-frozen"].inject(scene(front, tmp_path, FakeFaults()))
    assert front.silence_seconds == 4.0
    assert slept == [7.0]


def test_a_pod_of_the_application_is_deleted(kube: Cluster, front: Front, tmp_path: Path):
    BY_NAME["app-pod-deleted"].inject(scene(front, tmp_path))
    assert kube.deleted == ["app-1"]


def test_redis_comes_back_also_when_the_drill_is_interrupted(
    kube: Cluster, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(events, "time", SimpleNamespace(time=time.time, sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        BY_NAME["redis-gone"].inject(scene(front, tmp_path))
    assert [patch["spec"]["replicas"] for _, patch in kube.patches] == [0, 1]


def test_the_database_is_back_when_another_pod_of_it_is_ready(kube: Cluster, front: Front, tmp_path: Path):
    played = scene(front, tmp_path)
    BY_NAME["mariadb-restarted"].inject(played)
    assert kube.deleted == ["mariadb-0"]
    assert played.until is not None
    assert played.until >= played.at


@pytest.mark.parametrize(
    ("event", "note"),
    [("rolling-app", "application"), ("rolling-balancer-config", "configuration"),
     ("rolling-balancer-image", "image reference")],
)  # fmt: skip
def test_a_roll_there_and_the_next_one_back(front: Front, tmp_path: Path, event: str, note: str):
    played = scene(front, tmp_path)
    BY_NAME[event].inject(played)
    assert played.note == f"{note} changed"
    BY_NAME[event].inject(played)
    assert played.note == f"{note} put back"


def test_a_roll_that_hangs_is_an_error(
    kube: Cluster, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "ROLLED_SECONDS", 0.0)
    kube.objects["Deployment", "balancer"]["status"]["updatedReplicas"] = 1
    with pytest.raises(UserError, match=r"the pods haven't rolled[\s\S]*1 updatedReplicas"):
        BY_NAME["rolling-balancer-config"].inject(scene(front, tmp_path))


# ---- rounds ----

WELL = {
    "now": 100.0, "requests": 7000, "answered_last_second": 220, "wrong_last_second": 0, "wrong": "",
    "median_last_second": 0.25, "p99_last_second": 0.25,
    "servers_last_second": dict.fromkeys(SERVERS, 70),
    "sends_to": {"balancer-a": SERVERS, "balancer-b": SERVERS},
}  # fmt: skip


class FakeLoad:
    """Shows what it is told to, the last of it again and again; then what was recorded."""

    def __init__(self, *shown: dict[str, Any], ended: tuple[int, ...] = (6000,)) -> None:
        self.started: list[dict[str, Any]] = []
        self._shown, self.ended = list(shown), list(ended)

    def start(self, plan: dict[str, Any]) -> None:
        self.started.append(plan)

    def progress(self) -> dict[str, Any]:
        return self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]

    def finish(self, name: str) -> dict[str, Any]:
        assert name == self.started[-1]["round"]
        found = recording([sample(n / 220) for n in range(6600)])
        return json.loads(json.dumps(found.to_json()))

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        if what == "ended":
            assert body == {"since": 10.0}
            return {"requests": self.ended.pop(0)}
        assert (what, next(iter(body["sentinels"]))) == ("primary", "valkey-sentinel-0")
        return {"primary": "valkey-1"}

    def to_pod(self, wall: float) -> float:
        return 10.0


@pytest.fixture
def drill(front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`drill(load)`: a drill with faults that are made up, as `.faults`."""
    monkeypatch.setattr(Set, "settle", lambda *_: None)
    monkeypatch.setattr(runner, "STAYS", 0.0)

    def make(load: Any) -> Any:
        faults: Any = FakeFaults()
        made: Any = Drill(front, load, Changes(front, tmp_path), faults)
        made.faults = faults
        return made

    return make


def test_a_round(drill):
    load = FakeLoad(WELL)
    found = drill(load).round(BY_NAME["session-failover"], 2)
    assert (found.event, found.number, found.failed, found.note) == (
        "session-failover", 2, "", "valkey-1 was primary",
    )  # fmt: skip
    assert found.requests == 4402  # from the event on, which was at 10 s
    assert found.whole_after is not None
    [plan] = load.started
    assert (plan["round"], plan["url"], plan["rate"]) == ("session-failover-2", "http://balancer", 220.0)
    assert plan["pods"] == ("balancer-status", 8082, 8080)
    assert plan["at_once"] == 250  # of the 500 that nginx takes of one address
    assert plan["email"].endswith("@drill.invalid")


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ({"answered_last_second": 190}, "190 requests were answered in a second, not 220"),
        ({"wrong_last_second": 3, "wrong": "session: 502"}, "3 requests failed in a second, such as session"),
        ({"median_last_second": 4.4}, "half of the answers of a second took 4.40 s or longer"),
        ({"p99_last_second": 0.26}, "a hundredth of the answers of a second took 0.26 s or longer"),
        ({"sends_to": {"balancer-a": SERVERS}}, "1 pods of the balancer tell their state"),
        ({"sends_to": {"balancer-a": SERVERS, "balancer-b": SERVERS[:2]}}, "balancer-b leaves out app-2"),
    ],
)  # fmt: skip
def test_no_round_begins_while_users_are_not_served_well(drill, monkeypatch, shown, why):
    monkeypatch.setattr(runner, "STEADY_SECONDS", 0.0)
    with pytest.raises(UserError, match=why):
        drill(FakeLoad({**WELL, **shown})).round(BY_NAME["app-killed"], 1)


def test_round_after_which_users_are_not_served_as_before_has_failed(drill):
    slow = replace(BY_NAME["app-killed"], whole_within=0.0)
    made = drill(FakeLoad(WELL, WELL, {**WELL, "wrong_last_second": 9, "wrong": "alive: 502"}))
    found = made.round(slow, 1)
    assert "users aren't served as before after 0 s: 9 requests failed" in found.failed
    assert ("heal_all",) in made.faults.done
    assert found.whole_after is None


def test_round_goes_on_until_there_were_enough_requests_since_the_event(drill):
    load = FakeLoad(WELL, ended=(0, 5999, 6000))
    assert drill(load).round(BY_NAME["app-killed"], 1).failed == ""
    assert load.ended == []


def test_round_after_which_requests_wait_in_a_long_queue_has_failed(drill):
    """They are answered at the same pace as before, and no user is served as before."""
    slow = replace(BY_NAME["app-killed"], whole_within=0.0)
    found = drill(FakeLoad(WELL, WELL, {**WELL, "median_last_second": 4.4})).round(slow, 1)
    assert "users aren't served as before after 0 s: half of the answers of a second took" in found.failed


def test_on_a_machine_that_is_too_slow_for_the_load_a_round_begins_and_misses_its_limit(drill, monkeypatch):
    monkeypatch.setattr(runner, "PATIENT_SECONDS", 0.0)
    slow = {**WELL, "median_last_second": 4.4, "p99_last_second": 9.0}
    found = drill(FakeLoad(slow)).round(BY_NAME["app-killed"], 1)
    assert found.failed == ""
    assert found.whole_after is not None


def test_after_the_event_a_few_slow_answers_are_the_figures_and_nothing_to_wait_for(drill):
    found = drill(FakeLoad(WELL, WELL, {**WELL, "p99_last_second": 3.0})).round(BY_NAME["app-killed"], 1)
    assert found.failed == ""


def test_what_fails_while_the_event_is_still_being_made_is_of_the_event(drill):
    """Three ports are closed one after the other, and a signal takes effect before its call returns."""

    class Timed(FakeLoad):
        def to_pod(self, wall: float) -> float:
            return wall - self.since + 10.0

        def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
            return {"requests": 6000} if what == "ended" else super().ask(what, body)

        def finish(self, name: str) -> dict[str, Any]:
            samples = [sample(n / 220) for n in range(6600)]
            samples.append(sample(10.5, took=0.1, status=502, right=False))
            return json.loads(json.dumps(recording(samples).to_json()))

    def inject(scene: Scene) -> None:
        scene.at = load.since + 1.0

    load = Timed(WELL)
    load.since = time.time()
    found = drill(load).round(replace(BY_NAME["app-all-fail"], inject=inject), 1)
    assert (found.wrong_before, found.failed_reads) == (0, 1)


def test_leaving_heals_and_puts_back(drill, kube: Cluster, tmp_path: Path):
    made = drill(FakeLoad(WELL))
    made.round(BY_NAME["rolling-app"], 1)
    assert (tmp_path / UNDO_FILE).exists()
    kube.patches.clear()
    made.leave()
    assert ("heal_all",) in made.faults.done
    assert kube.patches[0][1] == {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: None}}}}}
    assert not (tmp_path / UNDO_FILE).exists()


def test_the_loads_pod_may_reach_what_it_asks(front: Front):
    manifest = pod.job_manifest("filewallball-drill-1", "ns", tool.work(front), "secret")
    template = manifest["spec"]["template"]
    reached = {name for name in template["metadata"]["labels"] if name.startswith("filewallball.io/access-")}
    assert reached == {
        f"filewallball.io/access-{name}" for name in ("balancer", "balancer-status", "app", "valkey")
    }
    [container] = template["spec"]["containers"]
    assert container["command"] == ["python3", "-m", "filewallball.drill.load.web"]
    assert container["image"] == "filewallball/toolkit:1"


# ---- the command ----


def test_a_stack_that_somebody_needs_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(command.stack, "find", lambda *_: place(disposable=False))
    with pytest.raises(ConfigError, match="isn't marked as disposable, and a drill makes its servers fail"):
        command.drill(BALANCER, tmp_path, "dev", yes=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_stack_without_a_balancer_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(command.stack, "find", lambda *_: place(Cluster()))
    with pytest.raises(UserError, match=r"no Deployment balancer[\s\S]*filewallball:balancer.enabled: true"):
        command.drill(BALANCER, tmp_path, "dev", yes=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_elsewhere_than_on_a_sandbox_some_events_are_possible():
    chosen, [left_out] = command.possible(BALANCER, place(sandbox=None), EVENTS, named=False)
    assert {event.name for event in chosen} == {
        "app-pod-deleted", "rolling-app", "rolling-balancer-config", "rolling-balancer-image", "redis-gone",
        "mariadb-restarted",
    }  # fmt: skip
    assert "app-killed" in left_out


def test_unknown_event(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no event app-kiled[\s\S]*app-killed"):
        command.drill(BALANCER, tmp_path, "dev", ["app-kiled"])
