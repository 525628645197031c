"""What a wait looks at: the object that was asked for, pods of that revision, and nothing older."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from filewallball.engine.waiting.watch import RolloutFailed, Watch

Object = dict[str, Any]
NAMESPACE = "shop"
REVISION = "deployment.kubernetes.io/revision"


class Views:
    """What an observer has seen."""

    def __init__(self, *objects: Object) -> None:
        self._objects = objects

    def objects(self, _api_version: str, kind: str, _namespace: str) -> list[Object]:
        return [each for each in self._objects if each["kind"] == kind]

    def view(self, _api_version: str, kind: str, namespace: str) -> SimpleNamespace:
        found = self.objects(_api_version, kind, namespace)
        return SimpleNamespace(objects={each["metadata"]["name"]: each for each in found})

    def become(self, *objects: Object) -> None:
        self._objects = objects


def made(kind: str, name: str, owner: Object | None = None, **parts: Any) -> Object:
    meta: Object = {"name": name, "namespace": NAMESPACE, "uid": f"uid-{name}", **parts.pop("meta", {})}
    if owner:
        meta["ownerReferences"] = [{"uid": owner["metadata"]["uid"]}]
    version = {"Pod": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {}, **parts}


def workload(kind: str, observed: int, *, generation: int = 2, **status: Any) -> Object:
    meta = {
        "generation": generation,
        "resourceVersion": "7",
        "annotations": {REVISION: str(observed), "deprecated.daemonset.template.generation": str(generation)},
    }
    return made(kind, "web", meta=meta, status={"observedGeneration": observed, **status})


def crashing(owner: Object, **labels: str) -> Object:
    """A pod that has come and gone so often that no time has to pass before it counts as certain."""
    state = {"waiting": {"reason": "CrashLoopBackOff"}}
    status = {"name": "main", "restartCount": 15, "state": state}
    return made(
        "Pod", "web-x", owner, meta={"labels": labels},
        spec={"containers": [{"name": "main"}]}, status={"containerStatuses": [status]},
    )  # fmt: skip


def troubles(obj: Object, *seen: Object) -> list[str]:
    watch = Watch(None, Views(*seen), obj)  # pyright: ignore[reportArgumentType]
    return [each.reason for each in watch.troubles(obj)]


def test_pods_from_before_the_change_say_nothing_about_it() -> None:
    """The controller has yet to see the change, so the newest ReplicaSet is still the broken one."""
    before, after = workload("Deployment", 1), workload("Deployment", 2)
    old = made("ReplicaSet", "web-1", before, meta={"annotations": {REVISION: "1"}})
    new = made("ReplicaSet", "web-2", before, meta={"annotations": {REVISION: "2"}})
    assert troubles(before, old, crashing(old)) == []
    assert troubles(after, old, new, crashing(old)) == []
    assert troubles(after, old, new, crashing(new)) == ["CrashLoopBackOff"]


def test_of_a_stateful_set() -> None:
    before = workload("StatefulSet", 1, updateRevision="a")
    after = workload("StatefulSet", 2, updateRevision="b")
    pods = {name: crashing(before, **{"controller-revision-hash": name}) for name in "ab"}
    assert troubles(before, pods["a"]) == []
    assert troubles(after, pods["a"]) == []
    assert troubles(after, pods["b"]) == ["CrashLoopBackOff"]


@pytest.mark.parametrize(
    ("observed", "generation", "expected"), [(1, "1", []), (2, "1", []), (2, "2", ["CrashLoopBackOff"])]
)
def test_of_a_daemon_set(observed: int, generation: str, expected: list[str]) -> None:
    obj = workload("DaemonSet", observed)
    assert troubles(obj, crashing(obj, **{"pod-template-generation": generation})) == expected


def test_a_job_has_no_revisions() -> None:
    job = made("Job", "load", meta={"generation": 1, "resourceVersion": "7"}, status={})
    pod = crashing(job)
    pod["status"]["containerStatuses"][0] |= {"state": {"waiting": {"reason": "ErrImagePull"}}}
    assert troubles(job, pod) == ["ErrImagePull"]


def job(uid: str, version: int) -> Object:
    return made("Job", "check", meta={"uid": uid, "resourceVersion": str(version)})


def test_what_was_there_before_may_go_late() -> None:
    """A Job that was made anew: the view shows the old one, then nothing, and then the new one."""
    views = Views(job("old", 5))
    watch = Watch(None, views, job("new", 7))  # pyright: ignore[reportArgumentType]
    for seen in ([job("old", 5)], [], [job("new", 8)]):
        views.become(*seen)
        assert watch.latest()["metadata"]["uid"] == "new"
    views.become()
    with pytest.raises(RolloutFailed, match="somebody deleted it meanwhile"):
        watch.latest()
