"""Pods, wherever they are described: by themselves, or as the template of something that makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from policy.plain import Path, listed, mapping, text
from policy.resources import Resource, Stack

_TEMPLATES: Final[dict[str, Path]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "ReplicationController": ("spec", "template"),
    "apps/ReplicaSet": ("spec", "template"),
    "apps/Deployment": ("spec", "template"),
    "apps/StatefulSet": ("spec", "template"),
    "apps/DaemonSet": ("spec", "template"),
    "extensions/ReplicaSet": ("spec", "template"),
    "extensions/Deployment": ("spec", "template"),
    "extensions/DaemonSet": ("spec", "template"),
    "batch/Job": ("spec", "template"),
    "batch/CronJob": ("spec", "jobTemplate", "spec", "template"),
}
LONG_RUNNING: Final = (
    "ReplicationController",
    "apps/ReplicaSet",
    "apps/Deployment",
    "apps/StatefulSet",
    "apps/DaemonSet",
)
"""What keeps its pods running."""


@dataclass(frozen=True)
class Container:
    """A container. `group`: containers, initContainers or ephemeralContainers."""

    path: Path
    body: dict[str, Any]
    group: str

    @property
    def name(self) -> str:
        return text(self.body.get("name"))

    @property
    def stays(self) -> bool:
        """Whether it runs as long as its pod: a sidecar does, another init container doesn't."""
        return self.group == "containers" or self.body.get("restartPolicy") == "Always"


@dataclass(frozen=True)
class Pod:
    """A pod's description. `path`: where it stands in its resource."""

    resource: Resource
    path: Path
    body: dict[str, Any]

    @cached_property
    def spec(self) -> dict[str, Any]:
        return mapping(self.body, "spec")

    @cached_property
    def labels(self) -> dict[str, Any]:
        return mapping(self.body, "metadata", "labels")

    @property
    def annotations(self) -> dict[str, Any]:
        return mapping(self.body, "metadata", "annotations")

    @property
    def spec_path(self) -> Path:
        return (*self.path, "spec")

    @cached_property
    def containers(self) -> list[Container]:
        """All of them, in the order in which they start."""
        return [
            Container((*self.spec_path, group, index), mapping(body), group)
            for group in ("initContainers", "containers", "ephemeralContainers")
            for index, body in enumerate(listed(self.spec, group))
        ]

    @property
    def volumes(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for index, body in enumerate(listed(self.spec, "volumes")):
            yield (*self.spec_path, "volumes", index), mapping(body)

    @property
    def account(self) -> str:
        """Its ServiceAccount."""
        return text(self.spec.get("serviceAccountName")) or text(self.spec.get("serviceAccount")) or "default"


def pod_of(resource: Resource) -> Pod | None:
    """The pod that a resource is or makes; None for what makes none."""
    kind = f"{resource.group}/{resource.kind}" if resource.group else resource.kind
    if not resource.is_object or kind not in _TEMPLATES:
        return None
    path = _TEMPLATES[kind]
    body = mapping(resource.props, *path)
    return Pod(resource, path, body) if body else None


def pods_in(stack: Stack) -> Iterator[Pod]:
    """All pods of a stack."""
    for resource in stack:
        if pod := pod_of(resource):
            yield pod


def selects(selector: Any, labels: dict[str, Any]) -> bool:
    """Whether a LabelSelector matches; an empty one matches everything."""
    if not isinstance(selector, dict):
        return False
    for key, value in mapping(selector, "matchLabels").items():
        if labels.get(key) != value:
            return False
    return all(_meets(mapping(each), labels) for each in listed(selector, "matchExpressions"))


def _meets(term: dict[str, Any], labels: dict[str, Any]) -> bool:
    key, values = text(term.get("key")), listed(term, "values")
    match term.get("operator"):
        case "In":
            return labels.get(key) in values and key in labels
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return False
