"""The whole of what a program declares, known before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from facts.placeholder import PLACEHOLDER
from filewallball.engine.program.resources import PROVIDER_TYPE, UNKNOWN, USE_THE_CLI, Resource
from filewallball.errors import ConfigError, UserError


@dataclass
class Graph:
    """Everything that the program declares, in order of registration."""

    resources: list[Resource] = field(default_factory=list[Resource])
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: list[str] = field(default_factory=list[str])
    """What the program warned of."""

    @property
    def kubernetes(self) -> list[Resource]:
        """The resources that are objects in a cluster."""
        return [resource for resource in self.resources if resource.is_kubernetes]

    @property
    def kinds(self) -> set[str]:
        """Their group-kinds."""
        return {f"{each.api_version.rpartition('/')[0]}/{each.kind}" for each in self.kubernetes}

    def objects(self) -> list[dict[str, Any]]:
        """The manifests, as `fwb render --yaml` writes them."""
        return [resource.manifest() for resource in self.kubernetes]

    def images(self) -> list[str]:
        """Every container image that any object names."""
        found: set[str] = set()
        for manifest in self.objects():
            _collect_images(manifest, found)
        return sorted(found)

    def providers(self) -> list[Resource]:
        """The explicit Kubernetes providers."""
        return [resource for resource in self.resources if resource.type == PROVIDER_TYPE]

    @property
    def foreign(self) -> list[Resource]:
        """What this engine can show and not deploy."""
        return [each for each in self.resources if each.remote or each.is_foreign]

    @property
    def unnamed(self) -> bool:
        """Whether it is still to be said which cluster is meant."""
        return any(each.props.get("context") == PLACEHOLDER for each in self.providers())

    def refuse_foreign(self) -> None:
        """Raise UserError for what this engine cannot deploy, before anything is touched."""
        if foreign := self.foreign:
            names = "\n".join(f"  {each.type} {each.name}" for each in foreign[:10])
            more = f"\n  and {len(foreign) - 10} more" if len(foreign) > 10 else ""
            raise UserError(
                "The embedded engine deploys Kubernetes objects only, and this stack also has:\n"
                f"{names}{more}",
                USE_THE_CLI,
            )

    def check(self) -> None:
        """Raise UserError for what no engine can deploy, before anything is touched."""
        seen: dict[tuple[str, ...], Resource] = {}
        for resource in self.kubernetes:
            meta = resource.meta
            if not meta.get("name") or UNKNOWN in (meta.get("name"), meta.get("namespace")):
                continue
            key = (resource.api_version, resource.kind, str(meta.get("namespace") or ""), meta["name"])
            if key in seen:
                raise UserError(
                    f"Two resources declare the same {resource.kind} {meta['name']}:"
                    f" {seen[key].urn} and {resource.urn}",
                    "Give one of them another name.",
                )
            seen[key] = resource


def _collect_images(value: Any, found: set[str]) -> None:
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            _collect_images(item, found)
    elif isinstance(value, dict):
        for key, item in cast("dict[str, Any]", value).items():
            if key == "image" and isinstance(item, str):
                found.add(item)
            _collect_images(item, found)


class Providers:
    """The cluster that a stack's providers name: all of them must name the same."""

    def __init__(self, providers: list[Resource]) -> None:
        targets: dict[tuple[str, str], Resource] = {}
        self.namespaces: dict[str, str] = {}
        self.default_namespace = "default"
        """That of the kubeconfig's context, once it has been read."""
        for each in providers:
            target = (str(each.props.get("kubeconfig") or ""), str(each.props.get("context") or ""))
            if UNKNOWN in target:
                raise UserError(
                    f"{each.urn}: its cluster is only known after another resource is made", USE_THE_CLI
                )
            targets[target] = each
            self.namespaces[each.urn] = str(each.props.get("namespace") or "")
        if len(targets) > 1:
            names = ", ".join(each.name for each in targets.values())
            raise ConfigError(f"The stack's providers name different clusters: {names}", USE_THE_CLI)
        target = next(iter(targets), ("", ""))
        self.kubeconfig: str | None = target[0] or None
        self.context: str | None = target[1] or None

    def namespace(self, resource: Resource) -> str:
        """Where an object without a namespace goes."""
        return self.namespaces.get(resource.provider.rpartition("::")[0]) or self.default_namespace
