"""The state tables, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from filewallball import pods
from filewallball.engine.waiting import readiness

META = {"name": "x", "namespace": "n", "generation": 2, "uid": "u"}


def obj(
    kind: str, status: dict[str, Any], spec: dict[str, Any] | None = None, group: str = "apps/v1"
) -> dict[str, Any]:
    return {"apiVersion": group, "kind": kind, "metadata": META, "spec": spec or {}, "status": status}


def deployment(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    return obj("Deployment", {"observedGeneration": 2, **status}, {"replicas": 2, **(spec or {})})


def stateful_set(spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    base = {"observedGeneration": 2, "currentRevision": "a", "updateRevision": "a"}
    return obj("StatefulSet", {**base, **status}, {"replicas": 2, **(spec or {})})


def condition(kind: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, **more}]}


DONE = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
ROWS: list[tuple[dict[str, Any], str, str]] = [
    (deployment(**{**DONE, "observedGeneration": 1}), "waiting", "the rollout has not begun"),
    (deployment(updatedReplicas=1, replicas=2), "waiting", "1 of 2 new replicas started"),
    (deployment(**{**DONE, "replicas": 3}), "waiting", "1 old replicas still running"),
    (deployment(**{**DONE, "availableReplicas": 1}), "waiting", "1 of 2 replicas available"),
    (deployment(**DONE), "ready", ""),
    (deployment({"replicas": 0}), "ready", ""),
    (deployment({"paused": True}), "ready", ""),
    (
        deployment(
            **condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="too late")
        ),
        "failed",
        "too late",
    ),
    (stateful_set(observedGeneration=1), "waiting", "the rollout has not begun"),
    (stateful_set(readyReplicas=1), "waiting", "1 of 2 replicas ready"),
    (stateful_set(readyReplicas=2), "ready", ""),
    (
        stateful_set(readyReplicas=2, updateRevision="b", updatedReplicas=1),
        "waiting",
        "1 of 2 replicas updated",
    ),
    (
        stateful_set(
            {"updateStrategy": {"rollingUpdate": {"partition": 1}}},
            readyReplicas=2,
            updateRevision="b",
            updatedReplicas=1,
        ),
        "ready",
        "",
    ),
    (
        stateful_set({"updateStrategy": {"type": "OnDelete"}}, readyReplicas=2, updateRevision="b"),
        "ready",
        "",
    ),
    (obj("DaemonSet", {"observedGeneration": 2, "desiredNumberScheduled": 0}), "ready", ""),
    (
        obj("DaemonSet", {"observedGeneration": 2, "desiredNumberScheduled": 2, "updatedNumberScheduled": 1}),
        "waiting",
        "1 of 2 pods updated",
    ),
    (obj("Job", {"active": 1, "failed": 1}, group="batch/v1"), "waiting", "running, failed 1 times so far"),
    (obj("Job", condition("Complete"), group="batch/v1"), "ready", ""),
    (obj("Job", {}, {"suspend": True}, group="batch/v1"), "ready", ""),
    (
        obj("Job", condition("Failed", reason="BackoffLimitExceeded", message="no more"), group="batch/v1"),
        "failed",
        "BackoffLimitExceeded: no more",
    ),
    (obj("PersistentVolumeClaim", {"phase": "Pending"}, group="v1"), "waiting", "no volume bound yet"),
    (obj("PersistentVolumeClaim", {"phase": "Bound"}, group="v1"), "ready", ""),
    (obj("PersistentVolumeClaim", {"phase": "Lost"}, group="v1"), "failed", "its volume is lost"),
    (obj("Service", {}, {"type": "ClusterIP"}, group="v1"), "ready", ""),
    (obj("Service", {}, {"type": "LoadBalancer"}, group="v1"), "waiting", "no load balancer address yet"),
    (obj("Pod", condition("Ready"), group="v1"), "ready", ""),
    (obj("Pod", {"phase": "Failed", "reason": "Evicted"}, group="v1"), "failed", "Evicted"),
    (obj("ConfigMap", {}, group="v1"), "ready", ""),
    (obj("Deployment", {}, group="example.com/v1"), "ready", ""),
]


@pytest.mark.parametrize(("thing", "phase", "detail"), ROWS)
def test_row(thing: dict[str, Any], phase: str, detail: str) -> None:
    assert readiness.of(thing) == readiness.State(phase, detail)  # pyright: ignore[reportArgumentType]


def test_exceptions_to_the_tables() -> None:
    waiting = deployment()
    waiting["metadata"] = {**META, "annotations": {"pulumi.com/skipAwait": "true"}}
    assert readiness.of(waiting).phase == "ready"
    going = deployment(**DONE)
    going["metadata"] = {**META, "deletionTimestamp": "now"}
    assert readiness.of(going).phase == "waiting"
    claim = obj("PersistentVolumeClaim", {"phase": "Pending"}, group="v1")
    assert readiness.of(claim, waits_for_consumer=lambda _: True).phase == "ready"


def pod(status: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    statuses = [{"name": "main", "restartCount": 0, **status}] if status else []
    return {
        "metadata": {"name": "p", "uid": "pu"},
        "spec": {},
        "status": {"containerStatuses": statuses, **more},
    }


def waiting(
    reason: str, message: str = "", restarts: int = 0, last: dict[str, Any] | None = None
) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    return {"state": state, "restartCount": restarts, "lastState": {"terminated": last} if last else {}}


def test_troubles_in_the_kubelets_words() -> None:
    found = pods.trouble(pod(waiting("ImagePullBackOff", "no such image")), [])
    assert str(found) == "pod p, container main: ImagePullBackOff: no such image"
    again = pods.trouble(pod(waiting("ErrImagePull", "no such image")), [])
    assert found
    assert again
    assert found.key == again.key, "the two alternate; it is one trouble"
    assert pods.trouble(pod(waiting("ContainerCreating")), []) is None
    assert pods.trouble(pod({"state": {"running": {}}}), []) is None


def test_a_crash_or_two_is_no_crash_loop() -> None:
    last = {"exitCode": 137, "reason": "OOMKilled", "message": "too big\n"}
    assert pods.trouble(pod(waiting("CrashLoopBackOff", restarts=1, last=last)), []) is None
    found = pods.trouble(pod(waiting("CrashLoopBackOff", restarts=2, last=last)), [])
    assert found
    assert found.message == "exit code 137 (OOMKilled), restarted 2 times; too big"
    assert found.certain_after > 0
    often = pods.trouble(pod(waiting("CrashLoopBackOff", restarts=5, last=last)), [])
    assert often
    assert often.certain_after == 0, "it may be restarted too soon for any state to last"
    ended = pod({"state": {"terminated": {"exitCode": 1}}, "restartCount": 2})
    assert pods.trouble(ended, []), "between its tries the kubelet only says that it ended"
    init = {**ended, "spec": {"initContainers": [{"name": "main"}]}}
    init["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] = 0
    assert pods.trouble(init, []) is None, "an init container that succeeded in the end is fine"


def test_a_pod_for_which_a_node_is_being_added_is_waited_for() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    stuck = pod(conditions=[condition])
    found = pods.trouble(stuck, [])
    assert found
    assert str(found) == "pod p: Unschedulable: 0/3 nodes"
    event = {"involvedObject": {"uid": "pu"}, "reason": "TriggeredScaleUp", "lastTimestamp": "1"}
    assert pods.trouble(stuck, [event]) is None


NO_SECRET = 'MountVolume.SetUp failed for volume "tls" : secret "site-tls" not found'


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (NO_SECRET, True),
        ('MountVolume.SetUp failed for volume "config" : configmap "x" not found', True),
        ('MountVolume.SetUp failed for volume "tls" : references non-existent secret key: tls.crt', True),
        ('MountVolume.SetUp failed for volume "data" : rpc error: the disk is being attached', False),
    ],
)
def test_a_pod_whose_secret_is_not_there_is_told(message: str, found: bool) -> None:
    event = {"involvedObject": {"uid": "pu"}, "reason": "FailedMount", "message": message}
    creating = pod({"state": {"waiting": {"reason": "ContainerCreating"}}}, phase="Pending")
    told = pods.trouble(creating, [event])
    assert (str(told) if told else None) == (f"pod p: FailedMount: {message}" if found else None)
    assert pods.trouble(pod({"state": {"running": {}}}, phase="Running"), [event]) is None, "it came later"
    started = pod({"state": {"running": {}}}, phase="Pending")
    assert pods.trouble(started, [event]) is None, "its first container runs"


def test_the_failing_probe_is_quoted() -> None:
    event = {"involvedObject": {"uid": "pu"}, "reason": "Unhealthy", "message": "Readiness probe failed: 503"}
    assert pods.not_ready_reason(pod({"state": {}, "ready": False}), [event]) == "Readiness probe failed: 503"
    assert pods.not_ready_reason(pod({"state": {}, "ready": True}), [event]) == ""
