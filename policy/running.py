"""What every container says of itself: what it needs, how much it may take, and whether it is well."""

from __future__ import annotations

from collections.abc import Iterable

from policy.plain import at
from policy.pods import LONG_RUNNING, Pod, pod_of
from policy.resources import Resource
from policy.rule import Context, Finding, Rule


def _requests(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    if not pod:
        return
    for container in pod.containers:
        for name in ("cpu", "memory"):
            # where there is a limit and no request, the limit is the request
            places = [
                (holder, kind) for holder in (container.body, pod.spec) for kind in ("requests", "limits")
            ]
            if container.group != "ephemeralContainers" and not any(
                at(holder, "resources", kind, name) for holder, kind in places
            ):
                yield Finding(
                    (*container.path, "resources", "requests", name),
                    "is not set",
                    "Write what the container needs when it works, such as "
                    f"{'100m' if name == 'cpu' else '128Mi'}.",
                )


def _memory_limit(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    if not pod or at(pod.spec, "resources", "limits", "memory"):
        return
    for container in pod.containers:
        if container.group != "ephemeralContainers" and not at(
            container.body, "resources", "limits", "memory"
        ):
            yield Finding(
                (*container.path, "resources", "limits", "memory"),
                "is not set",
                "Write what the container may take at most, such as 256Mi.",
            )


def _stays(pod: Pod) -> bool:
    """Whether the pod is meant to run for good."""
    alone = pod.resource.is_a("Pod") and pod.spec.get("restartPolicy") in (None, "Always")
    return alone or pod.resource.is_a(*LONG_RUNNING)


def _readiness(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    if not pod or not _stays(pod):
        return
    staying = [each for each in pod.containers if each.stays]
    if staying and not any(each.body.get("readinessProbe") for each in staying):
        yield Finding(
            (*staying[-1].path, "readinessProbe"),
            "is not set, nor is it for another container of the pod",
            "Write a probe that succeeds once the pod can serve.",
        )


def _liveness(resource: Resource, _: Context) -> Iterable[Finding]:
    pod = pod_of(resource)
    if not pod or not _stays(pod):
        return
    for container in pod.containers:
        if container.stays and not container.body.get("livenessProbe"):
            yield Finding(
                (*container.path, "livenessProbe"),
                "is not set",
                "Write a probe that fails only when a restart would help.",
            )


RULES = (
    Rule("requests", "Resources", "The scheduler reserves only what a container requests.", _requests),
    Rule("memory-limit", "Resources", "A memory leak must not stop other pods of the node.", _memory_limit),
    Rule("readiness-probe", "Probes", "Requests must go only to pods that can answer them.", _readiness),
    Rule("liveness-probe", "Probes", "A container that hangs must restart by itself.", _liveness),
)
