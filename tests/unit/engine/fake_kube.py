"""A cluster in a dictionary: as much of the client as the engine's guards need."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from filewallball.engine.program.resources import Key, key_of
from filewallball.kube import KubeError, UnknownKind

Object = dict[str, Any]
CLUSTER_WIDE = frozenset({"Namespace", "PersistentVolume"})
GROUPS = {
    "apps": ("Deployment", "StatefulSet", "DaemonSet"),
    "batch": ("CronJob", "Job"),
    "coordination.k8s.io": ("Lease",),
    "": ("Pod", "PersistentVolumeClaim", "ConfigMap", "Secret", *CLUSTER_WIDE),
}


class Served:
    """A kind as discovery tells of it."""

    def __init__(self, group: str, kind: str) -> None:
        self.api_version = f"{group}/v1" if group else "v1"
        self.kind = kind
        self.namespaced = kind not in CLUSTER_WIDE


class FakeDiscovery:
    """The kinds of GROUPS; `late`: others, and how often they are still denied."""

    def __init__(self, late: dict[str, int]) -> None:
        self._late = late

    def of_group_kind(self, group: str, kind: str) -> Served | None:
        return Served(group, kind) if kind in GROUPS.get(group, ()) else None

    def resource(self, api_version: str, kind: str) -> Served:
        found = self.of_group_kind(api_version.rpartition("/")[0], kind)
        if found is None and kind in self._late:
            self._late[kind] -= 1
            found = Served(api_version.partition("/")[0], kind) if self._late[kind] < 0 else None
        if found is None:
            raise UnknownKind(api_version, kind)
        return found


class FakeKube:
    """`errors`: raised by the next writes, one each; an error of `after_write` is raised once it is done."""

    server = "https://server:6443"
    context = "shop"

    def __init__(self, *objects: Object) -> None:
        self.objects: dict[Key, Object] = {}
        self.errors: list[Exception] = []
        self.after_write: list[Exception] = []
        self.calls: list[str] = []
        self.late: dict[str, int] = {}
        self._version = 0
        for each in objects:
            self._store(each)

    def __enter__(self) -> FakeKube:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def discovery(self) -> FakeDiscovery:
        return FakeDiscovery(self.late)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        key = Key(api_version.rpartition("/")[0], kind, namespace or "", name)
        self.calls.append(f"get {key}")
        return copy.deepcopy(self.objects.get(key))

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: str | None = None
    ) -> list[Object]:
        name, _, value = (labels or "").partition("=")
        return [
            copy.deepcopy(each)
            for key, each in self.objects.items()
            if key.group_kind == f"{api_version.rpartition('/')[0]}/{kind}"
            and namespace in (None, key.namespace)
            and (not name or (each["metadata"].get("labels") or {}).get(name) == value)
        ]

    def create(self, manifest: Object) -> Object:
        self.calls.append(f"create {key_of(manifest)}")
        if key_of(manifest) in self.objects:
            raise KubeError(409, "AlreadyExists", "already exists")
        return self._store(manifest)

    def apply(self, manifest: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> Object:
        self.calls.append(f"apply {key_of(manifest)}{' (dry run)' if dry_run else ''}")
        return manifest if dry_run else self._store(manifest)

    def patch(self, api_version: str, kind: str, name: str, namespace: str | None, patch: Object) -> Object:
        """A merge of labels and annotations, null for what is to go."""
        live = self.objects[Key(api_version.rpartition("/")[0], kind, namespace or "", name)]
        for part, values in patch["metadata"].items():
            merged = (live["metadata"].get(part) or {}) | values
            live["metadata"][part] = {key: value for key, value in merged.items() if value is not None}
        return copy.deepcopy(live)

    def replace(self, manifest: Object) -> Object:
        self.calls.append(f"replace {key_of(manifest)}")
        if self.errors:
            raise self.errors.pop(0)
        live = self.objects.get(key_of(manifest))
        if live is None and "uid" in manifest["metadata"]:
            raise KubeError(409, "Conflict", "Precondition failed: UID in precondition")
        if live is None:  # as the API server does it for a Lease, whatever the resourceVersion
            return self._store(manifest)
        if live["metadata"]["resourceVersion"] != manifest["metadata"]["resourceVersion"]:
            raise KubeError(409, "Conflict", "the object has been modified")
        stored = self._store(manifest, uid=live["metadata"]["uid"])
        if self.after_write:
            raise self.after_write.pop(0)
        return stored

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        propagation: str = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> bool:
        key = Key(api_version.rpartition("/")[0], kind, namespace or "", name)
        live = self.objects.get(key)
        if live is None or uid not in (None, live["metadata"]["uid"]):
            return False
        if resource_version not in (None, live["metadata"]["resourceVersion"]):
            return False
        self.calls.append(f"delete {key}")
        for other in [each for each in self.objects if kind == "Namespace" and each.namespace == name]:
            del self.objects[other]
        del self.objects[key]
        return True

    def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, Object]]:
        return iter(())

    def _store(self, manifest: Object, uid: str = "") -> Object:
        self._version += 1
        stored = copy.deepcopy(manifest)
        meta = stored["metadata"]
        meta["uid"] = uid or meta.get("uid") or f"uid-{self._version}"
        meta["resourceVersion"] = str(self._version)
        self.objects[key_of(stored)] = stored
        return copy.deepcopy(stored)
