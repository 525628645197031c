"""What Kubernetes says of a pod, in words."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

STUCK = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "CrashLoopBackOff",
    }
)
"""Reasons for waiting that don't pass by themselves."""


def ready(pod: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in _conditions(pod))


def state(pod: Object | None) -> str:
    """Why a pod isn't ready, in its own words."""
    if pod is None:
        return "it doesn't exist"
    for status in _statuses(pod):
        for kind in ("waiting", "terminated"):
            if detail := status.get("state", {}).get(kind):
                return f"{detail.get('reason', kind)} {detail.get('message', '')}".strip()
    unmet = [one for one in _conditions(pod) if one["status"] != "True" and one.get("message")]
    return str(unmet[0]["message"] if unmet else pod["status"].get("phase", "unknown"))


def stuck(pod: Object) -> str:
    """Why a pod will never start, empty if it may. Being unschedulable counts: nothing here adds nodes."""
    for status in _statuses(pod):
        waiting: Object = status.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in STUCK:
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    for one in _conditions(pod):
        if one["type"] == "PodScheduled" and one.get("reason") == "Unschedulable":
            return f"Unschedulable: {one.get('message', '')}".rstrip(": ")
    return ""


def _conditions(pod: Object) -> list[dict[str, str]]:
    return pod["status"].get("conditions") or []


def _statuses(pod: Object) -> list[Object]:
    first: list[Object] = pod["status"].get("initContainerStatuses") or []
    return [*first, *(pod["status"].get("containerStatuses") or [])]


def begun(pod: Object, container: str) -> bool:
    """Whether a container runs or has run, so that it has a log."""
    status = _container(pod, container)
    return bool(status.get("running") or status.get("terminated"))


def exited(pod: Object, container: str) -> Object | None:
    """How a container ended: `exitCode`, `reason`, `message`; None while it hasn't."""
    return _container(pod, container).get("terminated")


def _container(pod: Object, name: str) -> Object:
    for status in _statuses(pod):
        if status["name"] == name:
            return status.get("state") or {}
    return {}
