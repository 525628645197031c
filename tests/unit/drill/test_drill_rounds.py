"""Rounds, events and rolling updates against a cluster, a load and faults that are made up."""

from __future__ import annotations

import copy
import json
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from made_up import ABOUT, FakeKube, place

from filewallball.drill import events, lone, members, pod, runner, valkey
from filewallball.drill.events import BY_NAME, EVENTS, Scene
from filewallball.drill.load.recording import Ack, Probe, Recording, State
from filewallball.drill.lone import LoneProbe
from filewallball.drill.members import Set
from filewallball.drill.results import Journal, Round
from filewallball.drill.rolls import UNDO_FILE, Rolls
from filewallball.drill.runner import Drill
from filewallball.drill.tool import go_through
from filewallball.errors import UserError

MEMBERS = [f"valkey-{n}" for n in range(3)]
SENTINELS = [f"valkey-sentinel-{n}" for n in range(5)]
OWNERS = [{"manager": "fwb", "operation": "Apply", "fieldsV1": {}}]
CONFIG = "# comment\nloglevel notice\nmaxmemory 256mb\n"


def stateful_set(name: str, count: int, containers: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "namespace": "filewallball", "generation": 3, "managedFields": OWNERS},
        "spec": {
            "replicas": count,
            "template": {
                "metadata": {"annotations": {"filewallball.io/config": "0123456789ab"}},
                "spec": {"containers": containers},
            },
        },
        "status": {
            "observedGeneration": 3, "currentRevision": "a", "updateRevision": "a",
            "readyReplicas": count, "updatedReplicas": count,
        },
    }  # fmt: skip


def a_pod(name: str, restarts: int = 0, ready: str = "True") -> dict[str, Any]:
    return {
        "kind": "Pod",
        "metadata": {"name": name},
        "status": {
            "podIP": "10.1.1.1",
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "valkey", "restartCount": restarts}],
        },
    }


def cluster(**restarts: int) -> FakeKube:
    names = [*MEMBERS, *SENTINELS]
    return FakeKube(
        stateful_set("valkey", 3, [
            {"name": "valkey", "image": "docker.io/valkey/valkey:8.1"},
            {"name": "agent", "image": "filewallball/agent:1"},
        ]),
        stateful_set("valkey-sentinel", 5, [{"name": "sentinel", "image": "docker.io/valkey/valkey:8.1"}]),
        {
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "valkey-config", "namespace": "filewallball", "managedFields": OWNERS},
            "data": {"valkey.conf": CONFIG, "sentinel.conf": CONFIG, "start.sh": "exec valkey-server"},
        },
        {
            "kind": "PodTemplate", "metadata": {"name": "filewallball-checks"},
            "template": {"spec": {"containers": [{"name": "checks", "image": "filewallball/toolkit:1"}]}},
        },
        *({"kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": f"10.0.0.{n}"}}
          for n, name in enumerate(names)),
        *(a_pod(name, restarts.get(name.replace("-", "_"), 0)) for name in names),
    )  # fmt: skip


@pytest.fixture
def kube() -> FakeKube:
    return cluster()


@pytest.fixture
def the_set(kube: FakeKube) -> Set:
    return Set.find(place(kube))


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here waits for anything real."""
    clock = SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=lambda _: None)
    for module in (events, lone, members, pod, runner):  # of the drill alone: other threads have real time
        monkeypatch.setattr(module, "time", clock)


# ---- the set ----


def test_set_is_found_with_its_addresses_and_images(the_set: Set):
    assert the_set.members["valkey-2"] == ("10.0.0.2", 6379)
    assert list(the_set.sentinels) == SENTINELS
    assert the_set.sentinels["valkey-sentinel-4"] == ("10.0.0.7", 26379)
    assert the_set.image == "filewallball/toolkit:1"
    assert the_set.append_only is False


def test_set_without_an_agent_is_of_another_version(kube: FakeKube):
    del kube.objects["StatefulSet", "valkey"]["spec"]["template"]["spec"]["containers"][1]
    with pytest.raises(UserError, match="of another version"):
        Set.find(place(kube))


def test_set_without_the_checks_template_is_of_another_version(kube: FakeKube):
    del kube.objects["PodTemplate", "filewallball-checks"]
    with pytest.raises(UserError, match="of another version"):
        Set.find(place(kube))


def test_set_without_a_service(kube: FakeKube):
    del kube.objects["Service", "valkey-1"]
    with pytest.raises(UserError, match="no Service valkey-1"):
        Set.find(place(kube))


def test_rolling_update_is_over_when_everything_says_so():
    done = stateful_set("valkey", 3, [])
    assert members.rolling(done) == ""
    for field, value, why in (
        ("observedGeneration", 2, "not seen by its controller yet"),
        ("updateRevision", "b", "3 of 3 pods updated"),
        ("readyReplicas", 2, "2 of 3 pods ready"),
    ):
        unfinished = copy.deepcopy(done)
        unfinished["status"][field] = value
        assert members.rolling(unfinished) == why


def test_pods_that_have_restarted_are_replaced_few_at_a_time(monkeypatch: pytest.MonkeyPatch):
    kube = cluster(valkey_1=1, valkey_sentinel_0=2, valkey_sentinel_1=1, valkey_sentinel_3=1)
    batches: list[list[str]] = []

    def delete(self: Set, names: list[str], **_: Any) -> None:
        batches.append(list(names))
        for name in names:
            kube.objects["Pod", name] = a_pod(name)

    monkeypatch.setattr(Set, "delete", delete)
    Set.find(place(kube)).settle(5)
    assert batches == [["valkey-sentinel-0", "valkey-sentinel-1", "valkey-1"], ["valkey-sentinel-3"]]


def test_set_that_is_not_ready_is_an_error(kube: FakeKube, the_set: Set):
    kube.objects["Pod", "valkey-1"] = a_pod("valkey-1", ready="False")
    with pytest.raises(UserError, match="pod valkey-1 isn't ready"):
        the_set.settle(0)


# ---- rolling updates ----


def test_roll_there_and_back_leaves_no_trace(kube: FakeKube, tmp_path: Path):
    rolls = Rolls(place(kube), tmp_path)
    assert rolls.roll("config") == "log level changed"
    assert (tmp_path / UNDO_FILE).exists()
    there = dict(kube.patches)
    assert there["valkey-config"]["data"] == {
        "valkey.conf": CONFIG.replace("notice", "verbose"),
        "sentinel.conf": CONFIG.replace("notice", "verbose"),
    }
    mark = there["valkey"]["spec"]["template"]["metadata"]["annotations"]["filewallball.io/config"]
    assert mark != "0123456789ab"
    assert [name for name, _ in kube.patches] == ["valkey-config", "valkey-sentinel", "valkey"]
    kube.patches.clear()
    assert rolls.pending
    assert rolls.roll("config") == "log level put back"
    back = dict(kube.patches[:3])
    assert back["valkey-config"]["data"] == {"valkey.conf": CONFIG, "sentinel.conf": CONFIG}
    assert back["valkey"]["spec"]["template"]["metadata"]["annotations"] == {
        "filewallball.io/config": "0123456789ab"
    }
    owners = {"metadata": {"managedFields": OWNERS}}
    assert kube.patches[3:] == [(name, owners) for name in ("valkey-config", "valkey-sentinel", "valkey")]
    assert not rolls.pending
    assert not (tmp_path / UNDO_FILE).exists()


def images(kube: FakeKube) -> dict[str, str]:
    return {
        name: patch["spec"]["template"]["spec"]["containers"][0]["image"]
        for name, patch in kube.patches
        if "containers" in patch.get("spec", {}).get("template", {}).get("spec", {})
    }


def test_image_changes_its_name_and_back(kube: FakeKube, tmp_path: Path):
    rolls = Rolls(place(kube), tmp_path)
    rolls.roll("image")
    assert set(images(kube).values()) == {"docker.io/valkey/valkey:8.1-trixie"}
    rolls.roll("image")
    assert set(images(kube).values()) == {"docker.io/valkey/valkey:8.1"}
    assert not rolls.pending


def test_image_by_digest_has_no_other_name(kube: FakeKube, tmp_path: Path):
    for name in ("valkey", "valkey-sentinel"):
        template = kube.objects["StatefulSet", name]["spec"]["template"]
        template["spec"]["containers"][0]["image"] += "@sha256:1"
    rolls = Rolls(place(kube), tmp_path)
    with pytest.raises(UserError, match="by its digest"):
        rolls.roll("image")
    assert kube.patches == []
    assert not rolls.pending
    assert not (tmp_path / UNDO_FILE).exists()


def test_what_a_killed_drill_changed_is_put_back_by_the_next(kube: FakeKube, tmp_path: Path):
    Rolls(place(kube), tmp_path).roll("image")
    kube.patches.clear()
    after = Rolls(place(kube), tmp_path)
    assert after.pending
    after.undo()
    assert set(images(kube).values()) == {"docker.io/valkey/valkey:8.1"}
    assert kube.patches[-1][1] == {"metadata": {"managedFields": OWNERS}}
    assert not after.pending
    assert not (tmp_path / UNDO_FILE).exists()


def test_rollout_that_hangs_is_an_error(kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("filewallball.drill.rolls.ROLLOUT_SECONDS", 0.0)
    kube.objects["StatefulSet", "valkey"]["status"]["updateRevision"] = "b"
    rolls = Rolls(place(kube), tmp_path)
    with pytest.raises(UserError, match="valkey hasn't rolled"):
        rolls.roll("config")
    assert rolls.pending


# ---- events ----


class FakeFaults:
    """Remembers what was done."""

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str):
        def call(*arguments: Any, **_: Any) -> Any:
            self.done.append((name, *arguments[1:]))
            if name == "run_inside":
                samples = [[1.0, 1.1, "accepted"]]
                return subprocess.CompletedProcess([], 0, json.dumps(samples), "")
            return 100.0

        return call


WELL = {
    "now": 100.0, "acked": 500, "last_ack": 99.9, "acked_last_second": 420, "error": "", "whole": True,
    "accepting": ["valkey-1"], "since": 90.0, "why": "", "primary": "valkey-1", "append_only": False,
    "run_ids": dict.fromkeys([*MEMBERS, *SENTINELS], "old"),
}  # fmt: skip


def scene(the_set: Set, faults: Any = None, **changes: Any) -> Scene:
    seen = {**WELL, "accepting": ["valkey-2"], **changes}
    rolls = Rolls(the_set.place, Path("/nonexistent"))
    return Scene(the_set, "valkey-1", 1, lambda: seen, 420.0, rolls, faults)


@pytest.mark.parametrize(
    ("event", "done"),
    [
        ("process-killed", [("kill", "valkey-1")]),
        ("process-frozen", [("stop", "valkey-1"), ("resume", "valkey-1")]),
        ("network-cut", [("cut", "valkey-1", "both"), ("heal", "valkey-1")]),
        ("network-cut-in", [("cut", "valkey-1", "in"), ("heal", "valkey-1")]),
        ("network-cut-out", [("cut", "valkey-1", "out"), ("heal", "valkey-1")]),
        ("two-sentinels-and-primary",
         [("kill_pods", ["valkey-1", "valkey-sentinel-2", "valkey-sentinel-3"])]),
        ("all-pods", [("kill_pods", [*MEMBERS, *SENTINELS])]),
    ],
)  # fmt: skip
def test_events_on_nodes(the_set: Set, event: str, done: list[tuple[Any, ...]]):
    faults = FakeFaults()
    played = scene(the_set, faults)
    BY_NAME[event].inject(played)
    assert [each for each in faults.done if each[0] != "run_inside"] == done
    assert played.at == 100.0
    assert bool(played.lone) == event.startswith("network")


def test_all_pods_are_made_anew(kube: FakeKube, the_set: Set):
    BY_NAME["all-pods"].inject(scene(the_set, FakeFaults()))
    assert kube.deleted == [*MEMBERS, *SENTINELS]


def test_pod_of_the_primary_is_deleted(kube: FakeKube, the_set: Set):
    played = scene(the_set)
    BY_NAME["pod-deleted"].inject(played)
    assert kube.deleted == ["valkey-1"]
    assert played.restarted == ["valkey-1"]


@pytest.mark.parametrize(("declared", "frozen"), [(5, 2), (3, 1)])
def test_a_minority_of_sentinels_hangs_only_while_the_place_is_handed_over(
    kube: FakeKube, the_set: Set, declared: int, frozen: int
):
    faults = FakeFaults()
    few = replace(the_set, sentinels=dict(list(the_set.sentinels.items())[:declared]))
    BY_NAME["pod-deleted-sentinels-frozen"].inject(scene(few, faults))
    names = SENTINELS[declared - frozen : declared]
    assert faults.done == [(what, name, "sentinel") for what in ("stop", "resume") for name in names]
    assert kube.deleted == ["valkey-1"]


@pytest.mark.parametrize("event", ["process-frozen", "network-cut"])
def test_fault_ends_even_if_nobody_takes_over(the_set: Set, event: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "TAKEN_OVER_SECONDS", 0.0)
    faults = FakeFaults()
    with pytest.raises(UserError, match="no one has taken over from valkey-1"):
        BY_NAME[event].inject(scene(the_set, faults, accepting=["valkey-1"]))
    assert faults.done[-1] in [("resume", "valkey-1"), ("heal", "valkey-1")]


@pytest.mark.parametrize("event", [event.name for event in EVENTS if event.on_nodes])
def test_events_on_nodes_need_a_sandbox(the_set: Set, event: str):
    with pytest.raises(UserError, match="needs a sandbox"):
        BY_NAME[event].inject(scene(the_set))


def test_probe_from_inside_that_fails_is_an_error(the_set: Set):
    class Broken:
        def run_inside(self, *_: Any, **__: Any) -> Any:
            return subprocess.CompletedProcess([], 1, "", "nsenter: no such process")

    with pytest.raises(UserError, match="no such process"), LoneProbe(Broken(), the_set, "valkey-1", "x", 1):
        pass


# ---- rounds ----


class FakeLoad:
    """Shows a set that is well, then one in which everything has restarted, then what was recorded."""

    def __init__(self, *shown: dict[str, Any]) -> None:
        self.started: list[str] = []
        self.saved: list[str] = []
        self._shown = list(shown)

    def start(self, plan: Any) -> None:
        self.started.append(plan["round"])

    def progress(self) -> dict[str, Any]:
        return self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]

    def finish(self, name: str) -> dict[str, Any]:
        acks = [Ack(seq, seq / 100, seq / 100) for seq in range(9900, 11000)]
        probes = {"valkey-1": [Probe(99.0, 99.1, "accepted")]}
        states = [State(99, True, "")]
        found = Recording(0.01, 99.0, 110.0, acks, probes=probes, states=states, verified=True)
        return json.loads(json.dumps(found.to_json()))

    def to_pod(self, wall: float) -> float:
        return wall

    def ask(self, what: str, body: dict[str, Any]) -> dict[str, Any]:
        assert what == "save"
        self.saved.append(body["member"])
        return {"saved": 99.5}


AGAIN = {**WELL, "accepting": ["valkey-2"], "run_ids": dict.fromkeys(WELL["run_ids"], "new")}


@pytest.fixture
def drill(the_set: Set, tmp_path: Path):
    """`drill(load)`: a drill with faults that are made up; `.faults` and `.said` tell what happened."""

    def make(load: Any) -> Drill:
        faults: Any = FakeFaults()
        made: Any = Drill(the_set, load, Rolls(the_set.place, tmp_path), faults)
        resume = (tmp_path / "rounds.jsonl").exists()
        made.journal = Journal.open(tmp_path, ABOUT, resume=resume, make=Round)
        made.faults, made.said = faults, []
        return made

    return make


def run(drill: Any, *names: str, rounds: int = 1) -> list[tuple[str, int, str]]:
    chosen = [BY_NAME[name] for name in names]
    go_through(drill, drill.journal, chosen, rounds, lambda *_: None, drill.said.append)
    return [(one.event, one.number, one.failed) for one in drill.said]


def test_rounds_go_through_all_events_again_and_again(drill):
    load = FakeLoad(WELL, AGAIN, WELL, AGAIN, WELL, AGAIN, WELL, AGAIN)
    assert run(drill(load), "process-killed", "two-sentinels-and-primary", rounds=2) == [
        ("process-killed", 1, ""),
        ("two-sentinels-and-primary", 1, ""),
        ("process-killed", 2, ""),
        ("two-sentinels-and-primary", 2, ""),
    ]


def test_rounds_done_are_skipped_after_an_interruption(drill):
    run(drill(FakeLoad(WELL, AGAIN)), "process-killed")
    load = FakeLoad(WELL, AGAIN)
    assert run(drill(load), "process-killed", rounds=2) == [("process-killed", 2, "")]
    assert load.started == ["process-killed-2"]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ({"whole": False, "why": "valkey-1 isn't linked"}, "valkey-1 isn't linked"),
        ({"run_ids": WELL["run_ids"]}, "valkey-1 still to be restarted"),
        ({"acked_last_second": 0, "error": "gone"}, "writes stall: gone"),
        ({"since": 99.9}, "it has just become whole"),
    ],
)
def test_round_after_which_the_set_is_not_whole_has_failed(drill, monkeypatch, shown, why):
    slow = events.Event("process-killed", "", BY_NAME["process-killed"].inject,
                        BY_NAME["process-killed"].limits, whole_within=0.0)  # fmt: skip
    made = drill(FakeLoad(WELL, {**AGAIN, **shown}))
    go_through(made, made.journal, [slow], 1, lambda *_: None, made.said.append)
    assert f"the set isn't whole after 0 s: {why}" in made.said[0].failed
    assert ("heal_all",) in made.faults.done


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ({"whole": False, "why": "no primary"}, "no primary"),
        ({"accepting": []}, "writes are accepted by no one"),
        ({"accepting": ["valkey-1", "valkey-2"]}, "writes are accepted by valkey-1, valkey-2"),
        ({"acked_last_second": 10}, "10 writes a second"),
    ],
)
def test_no_round_begins_on_a_set_that_is_not_well(drill, monkeypatch, shown, why):
    monkeypatch.setattr(runner, "STEADY_SECONDS", 0.0)
    made = drill(FakeLoad({**WELL, **shown}))
    with pytest.raises(UserError, match=why):
        run(made, "process-killed")
    assert made.said == []


@pytest.mark.parametrize(("append_only", "asked"), [(False, ["valkey-1"]), (True, [])])
def test_the_primary_saves_before_all_pods_go(drill, monkeypatch, append_only: bool, asked: list[str]):
    monkeypatch.setattr(runner, "AFTER_SAVE_SECONDS", 0.0)
    load = FakeLoad({**WELL, "append_only": append_only}, AGAIN)
    made = drill(load)
    assert run(made, "all-pods") == [("all-pods", 1, "")]
    assert load.saved == asked
    assert made.said[0].saved == (50 if asked else None)


def test_leaving_heals_and_puts_back(drill, kube: FakeKube):
    made = drill(FakeLoad(WELL, AGAIN))
    run(made, "rolling-image")
    made.leave()
    assert ("heal_all",) in made.faults.done
    assert set(images(kube).values()) == {"docker.io/valkey/valkey:8.1"}


# ---- the pod ----


def test_pod_is_bounded_and_keeps_to_the_rules(the_set: Set):
    job = pod.job_manifest("filewallball-drill-1", "ns", valkey.work(the_set), "secret")
    spec = job["spec"]
    assert spec["activeDeadlineSeconds"] == pod.MAX_SECONDS
    assert spec["ttlSecondsAfterFinished"] == pod.KEEP_SECONDS
    assert spec["backoffLimit"] == 0
    template = spec["template"]
    assert template["metadata"]["labels"]["filewallball.io/access-valkey"] == "true"
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["securityContext"]["runAsNonRoot"] is True
    [container] = template["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert "cpu" not in container["resources"]["limits"]


def test_policy_goes_with_the_job(the_set: Set):
    job = pod.job_manifest("filewallball-drill-1", "ns", valkey.work(the_set), "secret")
    job["metadata"]["uid"] = "u"
    policy = pod.policy_manifest(job)
    assert policy["metadata"]["ownerReferences"][0]["uid"] == "u"
    assert policy["spec"]["podSelector"]["matchLabels"] == {"filewallball-drill": "filewallball-drill-1"}


def test_pod_is_kept_awake_while_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pod, "AWAKE_SECONDS", 0.001)
    asked = threading.Event()

    class Sleepy:
        def clock(self) -> None:
            asked.set()
            raise UserError("busy")

    load: Any = Sleepy()
    with pod._awake(load):
        assert asked.wait(20)


def test_a_busy_machine_is_busy_for_a_bounded_time(
    kube: FakeKube, the_set: Set, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(events, "BUSY_SECONDS", 0.01)
    here = scene(the_set, FakeFaults())
    BY_NAME["machine-busy"].inject(here)
    assert here.at
    assert here.restarted == []
    with pytest.raises(UserError, match="needs a sandbox"):
        BY_NAME["machine-busy"].inject(scene(the_set, None))
