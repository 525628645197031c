"""What Kubernetes says of a pod: its state in words, what is wrong with it, and how sure that is.

Pure functions of pods and events, for whoever waits for pods: the engine, Jobs, checks and drills.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

Object = dict[str, Any]

CRASH_LOOP = "CrashLoopBackOff"
CERTAIN_AFTER = {
    "InvalidImageName": 1.0,
    "ErrImageNeverPull": 3.0,
    "CreateContainerConfigError": 20.0,  # the Secret or ConfigMap may be on its way
    "CreateContainerError": 20.0,
    "RunContainerError": 20.0,
    "ErrImagePull": 25.0,  # a registry may have hiccups; the kubelet tries again within this time
    "ImagePullBackOff": 25.0,
    "Unschedulable": 30.0,
    CRASH_LOOP: 2.0,  # restarts have been counted already
    "FailedCreate": 15.0,
    "FailedMount": 130.0,  # the Secret may have come: the kubelet looks again after 122 s at the latest
    "ProvisioningFailed": 30.0,
}
"""Seconds that a state must last before it counts as certain. What heals by itself does so sooner."""
CRASHES = 2
"""Restarts, which means three crashes. The first crashes may only mean that a server it needs wasn't up yet.

The third restart would come after more than a minute.
"""
CERTAIN_CRASHES = 5
"""Restarts. Where the kubelet is told to pause for only a second, no state lasts long, but the restarts add
up.
"""
_NOT_THERE = re.compile(r'\b(?:secret|configmap) "[^"]*" not found|references non-existent')
IMAGE_TROUBLE = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True)
class Trouble:
    """One fault. `key` stays the same while the fault lasts; it is certain after `certain_after` seconds."""

    key: str
    reason: str
    message: str
    certain_after: float
    pod: str = ""
    container: str = ""
    crashed: bool = False

    def __str__(self) -> str:
        where = f"pod {self.pod}" if self.pod else ""
        if self.container:
            where += f", container {self.container}"
        return f"{where}: {self.text}" if where else self.text

    @property
    def text(self) -> str:
        """The reason and the message, without the pod's name."""
        return f"{self.reason}: {self.message}" if self.message else self.reason


def container_statuses(pod: Object) -> list[Object]:
    """Init containers first, as they run first."""
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def trouble(pod: Object, events: list[Object]) -> Trouble | None:
    """What keeps this pod from becoming ready, if anything but time does."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        return None
    for status in container_statuses(pod):
        found = _container_trouble(meta, status) or _crash_loop(pod, status)
        if found:
            return found
    return _scheduling_trouble(pod, events) or _mount_trouble(pod, events)


def _container_trouble(meta: Object, status: Object) -> Trouble | None:
    waiting: Object = status.get("state", {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason not in CERTAIN_AFTER or reason == CRASH_LOOP:
        return None
    # both image reasons alternate while the kubelet tries again: one fault, not two
    key = "image" if reason in IMAGE_TROUBLE else reason
    return _trouble(meta, status, reason, waiting.get("message", ""), key=key)


def _crash_loop(pod: Object, status: Object) -> Trouble | None:
    """A container that has come and gone too often.

    The kubelet says CrashLoopBackOff only shortly before the next try; until then it says "terminated".
    """
    state: Object = status.get("state", {})
    ended: Object = state.get("terminated") or {}
    if status.get("restartCount", 0) < CRASHES or pod["spec"].get("restartPolicy", "Always") == "Never":
        return None
    inits: list[Object] = pod["spec"].get("initContainers") or []
    done = ended.get("exitCode") == 0 and any(each["name"] == status["name"] for each in inits)
    waiting: Object = state.get("waiting") or {}
    if (ended and not done) or waiting.get("reason") == CRASH_LOOP:
        found = _trouble(pod["metadata"], status, CRASH_LOOP, _last_words(status), crashed=True)
        return replace(found, certain_after=0.0) if status["restartCount"] >= CERTAIN_CRASHES else found
    return None


def _trouble(
    meta: Object, status: Object, reason: str, message: str, *, key: str = "", crashed: bool = False
) -> Trouble:
    return Trouble(
        key=f"{meta['uid']}/{status['name']}/{key or reason}",
        reason=reason,
        message=message,
        certain_after=CERTAIN_AFTER[reason],
        pod=meta["name"],
        container=status["name"],
        crashed=crashed,
    )


def _last_words(status: Object) -> str:
    ended: Object = status["state"].get("terminated") or status.get("lastState", {}).get("terminated") or {}
    text = f"exit code {ended.get('exitCode')}"
    if ended.get("reason") not in (None, "Error", "Completed"):
        text += f" ({ended['reason']})"
    text += f", restarted {status.get('restartCount', 0)} times"
    return f"{text}; {ended['message'].strip()}" if ended.get("message") else text


def _scheduling_trouble(pod: Object, events: list[Object]) -> Trouble | None:
    meta, status = pod["metadata"], pod.get("status", {})
    conditions: list[Object] = status.get("conditions") or []
    for given in conditions:
        if given.get("type") == "PodScheduled" and given.get("reason") == "Unschedulable":
            # a node is being added, or room is being made, for this very pod
            growing = any(event.get("reason") == "TriggeredScaleUp" for event in about(events, meta["uid"]))
            if growing or status.get("nominatedNodeName"):
                return None
            return Trouble(
                key=f"{meta['uid']}/unschedulable",
                reason="Unschedulable",
                message=given.get("message", ""),
                certain_after=CERTAIN_AFTER["Unschedulable"],
                pod=meta["name"],
            )
    return None


def _mount_trouble(pod: Object, events: list[Object]) -> Trouble | None:
    """A Secret or a ConfigMap that isn't there. Other volumes may only take their time."""
    states: list[Object] = [each.get("state", {}) for each in container_statuses(pod)]
    if pod.get("status", {}).get("phase") != "Pending" or any("waiting" not in each for each in states):
        return None
    uid = pod["metadata"]["uid"]
    messages = [each.get("message", "") for each in about(events, uid) if each.get("reason") == "FailedMount"]
    missing = [each for each in messages if _NOT_THERE.search(each)]
    if not missing:
        return None
    name = pod["metadata"]["name"]
    return Trouble(f"{uid}/mount", "FailedMount", missing[-1], CERTAIN_AFTER["FailedMount"], pod=name)


def event_trouble(owner: Object, events: list[Object], reason: str) -> Trouble | None:
    """A warning about the owner itself: its pods are refused (quota, admission), or its volume is."""
    uid = owner["metadata"]["uid"]
    warnings = [event for event in about(events, uid) if event.get("reason") == reason]
    if not warnings:
        return None
    return Trouble(f"{uid}/{reason}", reason, warnings[-1].get("message", ""), CERTAIN_AFTER[reason])


def about(events: list[Object], uid: str) -> list[Object]:
    """The events about one object, oldest first."""
    mine = [event for event in events if event.get("involvedObject", {}).get("uid") == uid]
    return sorted(mine, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))


def not_ready_reason(pod: Object, events: list[Object]) -> str:
    """The probe that fails, in the kubelet's words, for a pod that runs but isn't ready; may be empty."""
    statuses = container_statuses(pod)
    if not statuses or all(status.get("ready") for status in statuses):
        return ""
    unhealthy = [
        event for event in about(events, pod["metadata"]["uid"]) if event.get("reason") == "Unhealthy"
    ]
    return str(unhealthy[-1].get("message", "")).strip() if unhealthy else ""


def is_ready(pod: Object) -> bool:
    """Whether the pod counts as ready."""
    conditions: list[Object] = pod.get("status", {}).get("conditions") or []
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


def state(pod: Object | None) -> str:
    """Why a pod isn't ready, in its own words."""
    if pod is None:
        return "it doesn't exist"
    for status in container_statuses(pod):
        for kind in ("waiting", "terminated"):
            if detail := status.get("state", {}).get(kind):
                return f"{detail.get('reason', kind)} {detail.get('message', '')}".strip()
    conditions: list[Object] = pod.get("status", {}).get("conditions") or []
    unmet = [each for each in conditions if each["status"] != "True" and each.get("message")]
    return str(unmet[0]["message"] if unmet else pod.get("status", {}).get("phase", "unknown"))


def begun(pod: Object, container: str) -> bool:
    """Whether a container runs or has run, so that it has a log."""
    found = _container_state(pod, container)
    return bool(found.get("running") or found.get("terminated"))


def exited(pod: Object, container: str) -> Object | None:
    """How a container ended: `exitCode`, `reason`, `message`; None while it hasn't."""
    return _container_state(pod, container).get("terminated")


def _container_state(pod: Object, name: str) -> Object:
    for status in container_statuses(pod):
        if status["name"] == name:
            return status.get("state") or {}
    return {}


def failed_container(pod: Object) -> str:
    """The container whose log tells most about a pod that ended badly; empty where none ended badly."""
    for status in container_statuses(pod):
        ended: Object = (
            status.get("state", {}).get("terminated") or status.get("lastState", {}).get("terminated") or {}
        )
        if ended.get("exitCode", 0) != 0:
            return str(status["name"])
    return ""


def termination_message(pod: Object) -> str:
    """What the pod's containers wrote to /dev/termination-log."""
    texts: list[str] = []
    for status in container_statuses(pod):
        ended: Object = status.get("state", {}).get("terminated") or {}
        if ended.get("message"):
            texts.append(ended["message"].strip())
    return "\n".join(texts)
