"""A cluster that is a dict, and a database that takes everything."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from filewallball.checks.suites import mariadb_session
from filewallball.kube import KubeError


def container(kind: str, **detail: Any) -> Any:
    return {"containerStatuses": [{"name": "checks", "state": {kind: detail}}]}


def pod(status: Any, uid: str = "pod-1") -> Any:
    owners = [{"uid": "job-1"}]
    return {"metadata": {"name": "p", "uid": uid, "ownerReferences": owners}, "spec": {}, "status": status}


def ended(kind: str, *, ago: float = 0, **detail: str) -> Any:
    when = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": when, **detail}]}


class Cluster:
    """Objects by kind and name; one that is a list gives its items in turn, the last for ever."""

    context = "test"

    def __init__(self, objects: dict[tuple[str, str], Any] | None = None, log: str = "") -> None:
        self.objects = objects or {}
        self.log = log
        self.deleted: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.taken = 0

    def get(self, _version: str, kind: str, name: str, _namespace: str | None = None) -> Any:
        found = self.objects.get((kind, name))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found

    def list(self, _version: str, kind: str, _namespace: str, _labels: str | None = None) -> Any:
        return [self.get("", *key) for key in self.objects if key[0] == kind]

    def create(self, manifest: dict[str, Any]) -> Any:
        if self.taken:
            self.taken -= 1
            raise KubeError(409, "AlreadyExists", "it is there")
        self.created.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "job-1"}}

    def delete(self, _version: str, kind: str, name: str, _namespace: str, **_: Any) -> bool:
        self.deleted.append(f"{kind} {name}")
        return True

    def logs(self, *_: Any, **__: Any) -> str:
        return self.log

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def without_database(monkeypatch, module: Any) -> None:
    @contextmanager
    def nothing(*_: Any, **__: Any) -> Any:
        yield mariadb_session.Tables()

    monkeypatch.setattr(module, "connected", nothing)
    monkeypatch.setattr(module, "query", lambda *_: [(1,)])
    if hasattr(module, "tables"):
        monkeypatch.setattr(module, "tables", nothing)
    monkeypatch.setattr(mariadb_session, "query", lambda *_: [])
