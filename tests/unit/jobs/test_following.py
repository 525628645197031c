"""A Job's pod as it is followed: what keeps it from its start, its lines, and who ended it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from filewallball import pods
from filewallball.jobs import following
from filewallball.jobs.following import CannotStart, JobFailed, JobPod, Work, made
from filewallball.kube import KubeError

JOB: dict[str, Any] = {"metadata": {"name": "j", "namespace": "files", "uid": "j-1"}}
WORK = Work("backup", "backup", memory="filewallball:a.memory", deadline="filewallball:a.deadline")
RUNNING = {"running": {"startedAt": "2026"}}
OUT_OF_TIME = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded", "message": "too long"}


def pod(state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    statuses = [{"name": "backup", "state": state}] if state else []
    return {
        "metadata": {"name": "p", "uid": "p-1"},
        "spec": {},
        "status": {"phase": "Pending", "containerStatuses": statuses, **status},
    }


def event(reason: str, uid: str, message: str = "") -> dict[str, Any]:
    return {"involvedObject": {"uid": uid}, "type": "Warning", "reason": reason, "message": message}


NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
UNSCHEDULABLE = pod(conditions=[NO_NODE])


class Cluster:
    """Its pod and its log at each look, the last for ever. `created` and `deleted` are names."""

    def __init__(self, *looks: dict[str, Any] | None, logs: tuple[str, ...] = ("",)) -> None:
        self.looks, self.texts = list(looks), list(logs)
        self.events: list[dict[str, Any]] | KubeError = []
        self.job: dict[str, Any] | None = JOB
        self.selectors: set[str] = set()
        self.created: list[str] = []
        self.deleted: list[str] = []

    def get(self, _version: str, kind: str, _name: str, _namespace: str) -> Any:
        return self.job if kind == "Job" else self._next(self.looks)

    def list(self, _version: str, kind: str, _namespace: str, labels: str = "") -> Any:
        if kind == "Event":
            if isinstance(self.events, KubeError):
                raise self.events
            return self.events
        self.selectors.add(labels)
        found = self._next(self.looks)
        return [found] if found else []

    def logs(self, *_: object, **__: object) -> str:
        return self._next(self.texts)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.created.append(manifest["metadata"]["name"])
        return manifest

    def delete(self, _version: str, _kind: str, name: str, _namespace: str) -> bool:
        self.deleted.append(name)
        return True

    @staticmethod
    def _next(given: Any) -> Any:
        return given.pop(0) if len(given) > 1 else given[0]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0)
    monkeypatch.setattr(pods, "CERTAIN_AFTER", dict.fromkeys(pods.CERTAIN_AFTER, 0.0))


def follow(cluster: Any) -> JobPod:
    return JobPod(cluster, "files", JOB, WORK)


@pytest.mark.parametrize(
    ("look", "events", "reason", "hint"),
    [
        (None, [event("FailedCreate", "j-1", "exceeded quota")], "FailedCreate: exceeded quota", "fwb up"),
        (UNSCHEDULABLE, [], "Unschedulable: 0/1 nodes", "add a node"),
        (
            pod({"waiting": {"reason": "ErrImagePull", "message": "no such image"}}),
            [],
            "ErrImagePull: no such image",
            "filewallball:toolkit.image",
        ),
        (
            pod({"waiting": {"reason": "CreateContainerConfigError", "message": "no secret"}}),
            [],
            "CreateContainerConfigError: no secret",
            "fwb up",
        ),
    ],
)
def test_what_keeps_a_pod_from_its_start_is_told(
    look: Any, events: list[dict[str, Any]], reason: str, hint: str
) -> None:
    cluster = Cluster(look)
    cluster.events = events
    with pytest.raises(CannotStart) as caught:
        follow(cluster).begun()
    assert caught.value.message == f"The backup's pod cannot start: {reason}"
    assert hint in caught.value.hint


def test_only_this_jobs_pods_count() -> None:
    cluster = Cluster(pod(RUNNING))
    assert follow(cluster).begun() == "p"
    assert cluster.selectors == {"batch.kubernetes.io/controller-uid=j-1"}


def test_a_node_that_is_being_added_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(UNSCHEDULABLE, UNSCHEDULABLE, pod(RUNNING))
    cluster.events = [event("TriggeredScaleUp", "p-1")]
    assert follow(cluster).begun() == "p"


@pytest.mark.parametrize("look", [None, UNSCHEDULABLE])
def test_events_that_may_not_be_read_are_done_without(look: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(look)
    cluster.events = KubeError(403, "Forbidden", "may not list events")
    monkeypatch.setattr(following, "START_SECONDS", -1)
    with pytest.raises(CannotStart):
        follow(cluster).begun()
    cluster.events = KubeError(500, "", "broken")
    with pytest.raises(KubeError):
        follow(cluster).begun()


def test_a_reason_that_passes_starts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two troubles that were each short are not one that lasted."""
    monkeypatch.setattr(pods, "CERTAIN_AFTER", dict.fromkeys(pods.CERTAIN_AFTER, 5.0))
    seconds = iter([0.0, 0.0, 4.0, 8.0])
    # its clock alone: threads of earlier tests read the machine's
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=time.sleep)
    monkeypatch.setattr(following, "time", clock)
    pulling = pod({"waiting": {"reason": "ErrImagePull"}})
    cluster = Cluster(pulling, pod({"waiting": {"reason": "ContainerCreating"}}), pulling, pod(RUNNING))
    assert follow(cluster).begun() == "p"


def test_a_line_that_is_still_being_written_waits_for_its_end() -> None:
    over = pod({"terminated": {"exitCode": 0}})
    logs = ("one\ntw", "one\ntwo\nth", "one\ntwo\nthree")
    cluster = Cluster(pod(RUNNING), pod(RUNNING), pod(RUNNING), over, logs=logs)
    assert list(follow(cluster).lines()) == ["one", "two", "three"]


def test_lines_are_lines_of_the_log_and_no_other() -> None:
    over = pod({"terminated": {"exitCode": 0}})
    assert list(follow(Cluster(over, logs=("a\x0bb\u2028c\n\nd\n",))).lines()) == ["a\x0bb\u2028c", "", "d"]


@pytest.mark.parametrize(
    ("ended", "conditions", "blame"),
    [
        ({"exitCode": 0}, [], ""),
        ({"exitCode": 1}, [], ""),
        ({"exitCode": 0}, [OUT_OF_TIME], ""),
        ({"exitCode": 137, "reason": "OOMKilled"}, [], "out of memory: raise filewallball:a.memory"),
        ({"exitCode": 143}, [OUT_OF_TIME], "out of time: raise filewallball:a.deadline"),
    ],
)
def test_the_limit_that_ended_it_is_named(
    ended: dict[str, Any], conditions: list[dict[str, Any]], blame: str
) -> None:
    cluster = Cluster(pod({"terminated": ended}))
    cluster.job = {**JOB, "status": {"conditions": conditions}}
    run = follow(cluster)
    assert list(run.lines()) == []
    assert run.blame() == blame


@pytest.mark.parametrize(
    ("conditions", "said", "hint"),
    [
        ([], "The backup's pod p was deleted meanwhile.", "Run the command again."),
        ([OUT_OF_TIME], "The backup's Job ended: DeadlineExceeded: too long", "filewallball:a.deadline"),
    ],
)
def test_a_pod_that_went_away(conditions: list[dict[str, Any]], said: str, hint: str) -> None:
    cluster = Cluster(pod(RUNNING), None)
    cluster.job = {**JOB, "status": {"conditions": conditions}}
    with pytest.raises(JobFailed) as caught:
        list(follow(cluster).lines())
    assert caught.value.message == said
    assert hint in caught.value.hint


def leave(cluster: Any, *, keep: bool, error: type[BaseException] | None) -> None:
    with made(cluster, JOB, keep=keep):
        if error:
            raise error


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_job_is_kept_only_if_asked_for_and_not_broken_off(
    keep: bool, error: type[BaseException] | None
) -> None:
    cluster = Cluster(None)
    try:
        leave(cluster, keep=keep, error=error)
    except (KeyboardInterrupt, ValueError):
        assert error
    assert cluster.created == ["j"]
    assert cluster.deleted == ([] if keep and not error else ["j"])


def test_a_job_whose_making_is_interrupted_is_deleted_too() -> None:
    class Interrupted(Cluster):
        def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
            super().create(manifest)
            raise KeyboardInterrupt

    cluster = Interrupted(None)
    with pytest.raises(KeyboardInterrupt):
        leave(cluster, keep=True, error=None)
    assert cluster.deleted == ["j"]


def test_a_reader_that_stops_early_leaves_no_job() -> None:
    cluster: Any = Cluster(pod(RUNNING), logs=("one\n",))

    def read() -> Iterator[str]:
        with made(cluster, JOB) as job:
            yield from JobPod(cluster, "files", job, WORK).lines()

    reading = read()
    assert next(reading) == "one"
    reading.close()  # type: ignore[attr-defined]
    assert cluster.deleted == ["j"]
