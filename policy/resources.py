"""What rules look at: a resource of a stack, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from policy.plain import Path, at, cleaned, is_unknown, mapping, text

# types of the provider that make objects, or hand them over to others
_NO_OBJECTS = ("helm.sh/", "yaml/", "kustomize/")


@dataclass(frozen=True)
class Resource:
    """One resource. `needs`: the URNs that it depends on by property, and all of them under "".

    `secrets`: where the program marks its properties as secret, as far as that is known.
    """

    urn: str
    type: str
    name: str
    props: dict[str, Any]
    protect: bool = False
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    secrets: Sequence[Path] = ()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Resource:
        """From data with the fields' names; `props` may hold nulls and unknown values."""
        return cls(
            urn=given["urn"],
            type=given["type"],
            name=given["name"],
            # what begins so is the provider's own bookkeeping: __inputs repeats a Secret's values
            props=cleaned({key: each for key, each in given["props"].items() if not key.startswith("__")}),
            protect=bool(given.get("protect")),
            needs=given.get("needs") or {},
            secrets=[tuple(path) for path in given.get("secrets", ())],
        )

    @property
    def stack(self) -> str:
        """The name of the stack that it belongs to."""
        return self.urn.removeprefix("urn:pulumi:").partition("::")[0]

    @property
    def project(self) -> str:
        return [*self.urn.split("::"), "", ""][1]

    @cached_property
    def is_object(self) -> bool:
        """Whether it is an object of Kubernetes, whole: neither a component, nor a chart, nor a patch."""
        parts = self.type.split(":")
        return (
            len(parts) == 3
            and parts[0] == "kubernetes"
            and "/" in parts[1]
            and not parts[1].startswith(_NO_OBJECTS)
            and not (self.kind.endswith(("Patch", "List")))
        )

    @cached_property
    def kind(self) -> str:
        return text(self.props.get("kind")) or self.type.rpartition(":")[2]

    @cached_property
    def group(self) -> str:
        """The API group of an object; empty for the core."""
        token = self.type.split(":")[1] if self.type.count(":") == 2 else ""
        version = text(self.props.get("apiVersion")) or token.removeprefix("core/")
        return version.rpartition("/")[0]

    @cached_property
    def meta(self) -> dict[str, Any]:
        return mapping(self.props, "metadata")

    @property
    def object_name(self) -> str:
        """metadata.name; empty where the provider invents it, or where it isn't known yet."""
        return text(self.meta.get("name"))

    @property
    def namespace(self) -> str:
        """metadata.namespace; empty where there is none, or where it isn't known yet."""
        return text(self.meta.get("namespace"))

    @property
    def labels(self) -> dict[str, Any]:
        return mapping(self.meta, "labels")

    @property
    def annotations(self) -> dict[str, Any]:
        return mapping(self.meta, "annotations")

    @property
    def title(self) -> str:
        """What users know it by."""
        if not self.is_object or not self.object_name:
            return f"{self.type} {self.name}"
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.object_name}"

    def is_a(self, *kinds: str) -> bool:
        """Whether it is an object of one of these kinds: `apps/Deployment` or, in the core, `Pod`."""
        return self.is_object and (f"{self.group}/{self.kind}" if self.group else self.kind) in kinds

    def refers_to(self, prop: str, other: Resource, *names: Any) -> bool:
        """Whether a property names the other resource, by one of its names or by depending on it."""
        value = at(self.props, prop)
        if value is not None and not is_unknown(value):
            return any(text(name) and text(name) == value for name in names)
        return other.urn in (self.needs.get(prop) or self.needs.get("", ()))


Stack = Sequence[Resource]
"""All resources of a stack."""
