"""When is an object ready? The state tables that pulumi-kubernetes awaits by, as pure functions of objects.

Sources: the status fields as `kubectl rollout status` reads them, and pulumi-kubernetes' await package.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]


@dataclass(frozen=True)
class State:
    """`ready`, `waiting` (and for what) or `failed` (and why)."""

    phase: Literal["ready", "waiting", "failed"]
    detail: str = ""


READY = State("ready")


def waiting(detail: str) -> State:
    """Not ready yet, and nothing says that it won't be."""
    return State("waiting", detail)


def failed(detail: str) -> State:
    """The cluster itself has given up."""
    return State("failed", detail)


def of(obj: Object, *, waits_for_consumer: Callable[[Object], bool] = lambda _: False) -> State:
    """The state of any object; kinds that have nothing to wait for are ready.

    `waits_for_consumer` tells whether a claim stays unbound by design until a pod uses it.
    """
    meta = obj.get("metadata", {})
    if meta.get("deletionTimestamp"):
        return waiting("being deleted")
    annotations: Object = meta.get("annotations") or {}
    if annotations.get("pulumi.com/skipAwait") == "true":
        return READY
    kind = obj["kind"]
    if kind == "PersistentVolumeClaim":
        return _claim(obj, waits_for_consumer)
    check = CHECKS.get((obj["apiVersion"].rpartition("/")[0], kind))
    return check(obj) if check else READY


def condition(obj: Object, kind: str) -> Object:
    """One of the object's conditions, empty where it isn't there."""
    found: list[Object] = obj.get("status", {}).get("conditions") or []
    none: Object = {}
    return next((each for each in found if each.get("type") == kind), none)


def observed(obj: Object) -> bool:
    """Whether a workload's controller has seen the newest version; until then its status is of an older."""
    return obj.get("status", {}).get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)


def _deployment(obj: Object) -> State:
    spec, status = obj["spec"], obj.get("status", {})
    if spec.get("paused"):
        return READY
    if not observed(obj):
        return waiting("the rollout has not begun")
    progressing = condition(obj, "Progressing")
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed(progressing.get("message", "the rollout's deadline has passed"))
    wanted = spec.get("replicas", 1)
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    available = status.get("availableReplicas", 0)
    if updated < wanted:
        return waiting(f"{updated} of {wanted} new replicas started")
    if total > updated:
        return waiting(f"{total - updated} old replicas still running")
    if available < wanted:
        return waiting(f"{available} of {wanted} replicas available")
    return READY


def _stateful_set(obj: Object) -> State:
    spec, status = obj["spec"], obj.get("status", {})
    if not observed(obj):
        return waiting("the rollout has not begun")
    wanted = spec.get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    if strategy.get("type") != "OnDelete":
        rolling: Object = strategy.get("rollingUpdate") or {}
        partition = rolling.get("partition", 0)
        revised = status.get("updateRevision") == status.get("currentRevision")
        updated = wanted if revised else status.get("updatedReplicas", 0)
        if updated < wanted - partition:
            return waiting(f"{updated} of {wanted - partition} replicas updated")
    if status.get("replicas", 0) > wanted:
        return waiting(f"{status['replicas'] - wanted} replicas still to go")
    if ready < wanted:
        return waiting(f"{ready} of {wanted} replicas ready")
    if spec.get("minReadySeconds") and status.get("availableReplicas", 0) < wanted:
        return waiting(f"{status.get('availableReplicas', 0)} of {wanted} replicas available")
    return READY


def _daemon_set(obj: Object) -> State:
    status = obj.get("status", {})
    if not observed(obj):
        return waiting("the rollout has not begun")
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if obj["spec"].get("updateStrategy", {}).get("type") != "OnDelete" and updated < wanted:
        return waiting(f"{updated} of {wanted} pods updated")
    return READY if available >= wanted else waiting(f"{available} of {wanted} pods available")


def _job(obj: Object) -> State:
    if obj["spec"].get("suspend"):
        return READY
    given = condition(obj, "Failed")
    if given.get("status") == "True":
        return failed(f"{given.get('reason', 'failed')}: {given.get('message', '')}".rstrip(": "))
    if condition(obj, "Complete").get("status") == "True":
        return READY
    status = obj.get("status", {})
    if status.get("active"):
        tries = f", failed {status['failed']} times so far" if status.get("failed") else ""
        return waiting(f"running{tries}")
    return waiting("not started")


def _claim(obj: Object, waits_for_consumer: Callable[[Object], bool]) -> State:
    phase = obj.get("status", {}).get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed("its volume is lost")
    return READY if waits_for_consumer(obj) else waiting("no volume bound yet")


def _volume(obj: Object) -> State:
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return failed(obj["status"].get("message") or "the volume has failed")
    return waiting("not available yet") if phase in (None, "Pending") else READY


def _pod(obj: Object) -> State:
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return failed(obj["status"].get("message") or obj["status"].get("reason") or "the pod has failed")
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    return waiting("not ready")


def _service(obj: Object) -> State:
    """Only a load balancer has something to wait for; that a pod answers is for the checks to say."""
    if obj["spec"].get("type") == "LoadBalancer" and not obj.get("status", {}).get("loadBalancer", {}).get(
        "ingress"
    ):
        return waiting("no load balancer address yet")
    return READY


def _namespace(obj: Object) -> State:
    return READY if obj.get("status", {}).get("phase", "Active") == "Active" else waiting("being deleted")


def _definition(obj: Object) -> State:
    refused = condition(obj, "NamesAccepted")
    if refused.get("status") == "False":
        return failed(refused.get("message", "its names are not accepted"))
    return READY if condition(obj, "Established").get("status") == "True" else waiting("not served yet")


CHECKS: dict[tuple[str, str], Callable[[Object], State]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Namespace"): _namespace,
    ("", "PersistentVolume"): _volume,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
