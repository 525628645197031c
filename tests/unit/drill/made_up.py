"""Made-up results and clusters for the drill's tests."""

from __future__ import annotations

from typing import Any

from filewallball.drill.results import Round
from filewallball.stack import Place


class FakeKube:
    """A cluster that knows objects by kind and name, and remembers what was asked of it."""

    context = "somewhere"

    def __init__(self, *objects: dict[str, Any]) -> None:
        self.objects = {(each["kind"], each["metadata"]["name"]): each for each in objects}
        self.deleted: list[str] = []
        self.patches: list[tuple[str, dict[str, Any]]] = []

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Any:
        return self.objects.get((kind, name))

    def delete(self, api_version: str, kind: str, name: str, namespace: str, **_: Any) -> bool:
        self.deleted.append(name)
        return True

    def patch(
        self, api_version: str, kind: str, name: str, namespace: str, patch: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        self.patches.append((name, patch))
        return {}


def place(kube: Any = None, **changes: Any) -> Place:
    settings = {"disposable": True, "sandbox": "lab"} | changes
    return Place("dev", "filewallball", kube or FakeKube(), **settings)


def a_round(event: str = "process-killed", number: int = 1, **changes: Any) -> Round:
    return Round(
        event,
        number,
        "2026-01-01T00:00:00+00:00",
        **{
            "outage": 0.1,
            "waited_outage": 0.1,
            "writes": 1000,
            "waited_writes": 500,
            "saved": 100,
            **changes,
        },
    )


ABOUT: dict[str, Any] = {
    "drill": "valkey",
    "stack": "dev",
    "namespace": "filewallball",
    "cluster": "somewhere",
    "began": "2026-01-01T00:00:00+00:00",
    "members": 3,
    "sentinels": 5,
    "image": "docker.io/valkey/valkey:8.1",
    "append_only": False,
    "machine": "2 CPUs, Linux 6",
    "rate": 420.0,
    "read_rate": 100.0,
    "wait_every": 10,
    "waiters": 4,
    "waiter_rate": 50.0,
}
