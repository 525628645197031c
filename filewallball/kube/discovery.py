"""Which kinds the cluster serves, asked once per run by aggregated discovery (Kubernetes 1.27 and later)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filewallball.kube.errors import UnknownKind

ACCEPT = ", ".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)


@dataclass(frozen=True)
class Resource:
    """One served kind, and how its URL is built."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """URL path of one object, or of the collection (all namespaces where none is given)."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        return "/".join(parts)


class Discovery:
    """The kinds of one cluster. Asked again when a kind is missing, since a CRD may have come since."""

    def __init__(self, fetch: Callable[[str], dict[str, Any]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._kinds: dict[tuple[str, str], Resource] = {}

    def resource(self, api_version: str, kind: str) -> Resource:
        """The kind's URL facts. Raises UnknownKind."""
        found = self._kinds.get((api_version, kind))
        if found is None:
            with self._lock:
                if (api_version, kind) not in self._kinds:
                    self._kinds = self._read()
            found = self._kinds.get((api_version, kind))
        if found is None:
            raise UnknownKind(api_version, kind)
        return found

    def of_group_kind(self, group: str, kind: str) -> Resource | None:
        """The preferred version of a kind, None where the cluster doesn't serve it (any more)."""
        if not self._kinds:
            with self._lock:
                self._kinds = self._read()
        for (api_version, name), resource in self._kinds.items():
            if name == kind and api_version.rpartition("/")[0] == group:
                return resource
        return None

    def _read(self) -> dict[tuple[str, str], Resource]:
        kinds: dict[tuple[str, str], Resource] = {}
        for root in ("/api", "/apis"):
            for group in self._fetch(root).get("items", []):
                name = group.get("metadata", {}).get("name", "")
                for version in group.get("versions", []):
                    api_version = f"{name}/{version['version']}" if name else version["version"]
                    for item in version.get("resources", []):
                        # a subresource-only entry has no kind of its own
                        kind = item.get("responseKind", {}).get("kind")
                        if kind:
                            namespaced = item.get("scope") == "Namespaced"
                            resource = Resource(api_version, kind, item["resource"], namespaced)
                            kinds.setdefault((api_version, kind), resource)
        return kinds
