"""How a kind's state is read: the state tables that pulumi-kubernetes awaits by, as functions of objects.

Sources: the status fields as `kubectl rollout status` reads them, and pulumi-kubernetes' await package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Object = dict[str, Any]
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


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


def condition(obj: Object, kind: str) -> Object:
    """One of the object's conditions, empty where it isn't there."""
    found: list[Object] = obj.get("status", {}).get("conditions") or []
    none: Object = {}
    return next((each for each in found if each.get("type") == kind), none)


def observed(obj: Object) -> bool:
    """Whether a workload's controller has seen the newest version; until then its status is of an older."""
    return obj.get("status", {}).get("observedGeneration", 0) >= obj["metadata"].get("generation", 0)


def at_once(_: Object) -> State:
    """Of a kind that has nothing to wait for."""
    return READY


def deployment(obj: Object) -> State:
    """As `kubectl rollout status` has it."""
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


def stateful_set(obj: Object) -> State:
    """As `kubectl rollout status` has it, and that no more replicas than wanted are left."""
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


def daemon_set(obj: Object) -> State:
    """As `kubectl rollout status` has it."""
    status = obj.get("status", {})
    if not observed(obj):
        return waiting("the rollout has not begun")
    wanted = status.get("desiredNumberScheduled", 0)
    updated, available = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    if obj["spec"].get("updateStrategy", {}).get("type") != "OnDelete" and updated < wanted:
        return waiting(f"{updated} of {wanted} pods updated")
    return READY if available >= wanted else waiting(f"{available} of {wanted} pods available")


def job(obj: Object) -> State:
    """Until it has ended; a suspended one has nothing to wait for."""
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


def claim(obj: Object) -> State:
    """Bound to a volume."""
    phase = obj.get("status", {}).get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return failed("its volume is lost")
    return waiting("no volume bound yet")


def volume(obj: Object) -> State:
    """Available, or bound already."""
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return failed(obj["status"].get("message") or "the volume has failed")
    return waiting("not available yet") if phase in (None, "Pending") else READY


def pod(obj: Object) -> State:
    """Ready, or ended well."""
    phase = obj.get("status", {}).get("phase")
    if phase == "Failed":
        return failed(obj["status"].get("message") or obj["status"].get("reason") or "the pod has failed")
    if phase == "Succeeded" or condition(obj, "Ready").get("status") == "True":
        return READY
    return waiting("not ready")


def service(obj: Object) -> State:
    """Only a load balancer has something to wait for; that a pod answers is for the checks to say."""
    if obj["spec"].get("type") == "LoadBalancer" and not obj.get("status", {}).get("loadBalancer", {}).get(
        "ingress"
    ):
        return waiting("no load balancer address yet")
    return READY


def namespace(obj: Object) -> State:
    """Anything but on its way out."""
    return READY if obj.get("status", {}).get("phase", "Active") == "Active" else waiting("being deleted")


def definition(obj: Object) -> State:
    """Its kind is served."""
    refused = condition(obj, "NamesAccepted")
    if refused.get("status") == "False":
        return failed(refused.get("message", "its names are not accepted"))
    return READY if condition(obj, "Established").get("status") == "True" else waiting("not served yet")


def never(_: Object) -> bool:
    """Of a kind that doesn't end by itself."""
    return False


def job_ended(obj: Object) -> bool:
    """Whether it is complete, or has failed."""
    return any(condition(obj, end).get("status") == "True" for end in ("Complete", "Failed"))


def pod_ended(obj: Object) -> bool:
    """Whether all its containers have ended."""
    return obj.get("status", {}).get("phase") in ("Succeeded", "Failed")


def made_for_first_pod(claim: Object, classes: list[Object]) -> bool:
    """Whether a claim stays unbound by design until a pod uses it; `classes`: all storage classes."""
    wanted = claim["spec"].get("storageClassName")
    for each in classes:
        annotations: Object = each["metadata"].get("annotations") or {}
        default = wanted is None and annotations.get(DEFAULT_CLASS) == "true"
        if each["metadata"]["name"] == wanted or default:
            return each.get("volumeBindingMode") == "WaitForFirstConsumer"
    return False
