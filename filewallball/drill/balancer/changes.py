"""What a drill changes of a stack's objects and puts back, so that the next `up` sees nothing of it.

The way back lies in a file meanwhile, for the next drill, should this one be killed.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facts import balancer
from facts.app import NAME as APP
from facts.redis import NAME as REDIS
from filewallball.drill.balancer.front import CONFIG_FILE, NGINX, Front, config_of
from filewallball.drill.results import read_text, write_text
from filewallball.drill.rolls import other_name
from filewallball.errors import UserError

Object = dict[str, Any]

UNDO_FILE = "undo.json"
ANNOTATION = "filewallball.io/drill"
SUFFIX = "-drill"
"""Of a ConfigMap that the drill makes."""
CONNECTIONS = re.compile(r"^(\s*worker_connections\s+)(\d+);", re.MULTILINE)


@dataclass
class Step:
    """A patch of one object and the one that undoes it; or an object that is made, and goes again."""

    api_version: str
    kind: str
    name: str
    patch: Object | None = None
    back: Object | None = None
    made: Object | None = None


class Changes:
    """The changes of one drill, by what they are for."""

    def __init__(self, front: Front, folder: Path) -> None:
        self._front, self._file = front, folder / UNDO_FILE
        self._pending: dict[str, list[Step]] = {}
        self._owners: dict[str, list[Object]] = {}
        """Who owned which field before, by `KIND/NAME`."""
        if self._file.exists():
            kept = json.loads(read_text(self._file))
            self._owners = kept["owners"]
            self._pending = {what: [Step(**one) for one in each] for what, each in kept["pending"].items()}

    @property
    def pending(self) -> list[str]:
        """What isn't as it was."""
        return list(self._pending)

    def turn(self, what: str, steps: Callable[[Front], Sequence[Step]]) -> bool:
        """Change what is as it was, or put back what is changed. Whether it is changed now.

        What was made for it stays until `sweep`: pods that are replaced may need it to their end.
        """
        if what in self._pending:
            self._back(what)
            return False
        wanted = list(steps(self._front))
        for step in wanted:
            if step.patch is not None:
                live = self._live(step)
                self._owners.setdefault(f"{step.kind}/{step.name}", live["metadata"].get("managedFields", []))
        self._pending[what] = wanted
        self._write()
        for step in wanted:
            if step.made:
                self._make(step.made)
            else:
                self._patch(step, step.patch or {})
        return True

    def undo(self) -> None:
        """Put everything back; pods may still be replaced when this returns."""
        for what in self.pending:
            self._back(what)

    def sweep(self) -> None:
        """Remove what was made, and give every field back to its owner, once all is as it was."""
        if self._pending:
            return
        for made in self._front.place.kube.list("v1", "ConfigMap", self._front.namespace, ANNOTATION):
            self._front.place.kube.delete("v1", "ConfigMap", made["metadata"]["name"], self._front.namespace)
        for key, owners in self._owners.items():
            kind, _, name = key.partition("/")
            patch = {"metadata": {"managedFields": owners}}
            self._front.place.kube.patch(_version(kind), kind, name, self._front.namespace, patch)
        self._owners = {}
        self._file.unlink(missing_ok=True)

    def _back(self, what: str) -> None:
        for step in reversed(self._pending[what]):
            if step.back is not None:
                self._patch(step, step.back)
        del self._pending[what]
        self._write()

    def _patch(self, step: Step, patch: Object) -> None:
        place = self._front.place
        place.kube.patch(step.api_version, step.kind, step.name, place.namespace, patch, type="strategic")

    def _make(self, manifest: Object) -> None:
        if self._front.get(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"]) is None:
            self._front.place.kube.create(manifest)

    def _live(self, step: Step) -> Object:
        found = self._front.get(step.api_version, step.kind, step.name)
        if found is None:
            place = self._front.place
            raise UserError(
                f"There is no {step.kind} {step.name} in {place}", f"Run `fwb up {place.stack}` first."
            )
        return found

    def _write(self) -> None:
        pending = {what: [asdict(one) for one in each] for what, each in self._pending.items()}
        write_text(self._file, json.dumps({"owners": self._owners, "pending": pending}))


def _version(kind: str) -> str:
    return "v1" if kind == "ConfigMap" else "apps/v1"


def app_rolls(_: Front) -> list[Step]:
    """The pods of the application get another annotation."""
    return [
        Step("apps/v1", "StatefulSet", APP, _template(annotation="rolls"), _template(annotation=None)),
    ]


def config_rolls(front: Front) -> list[Step]:
    """The balancer gets another configuration: one connection less for each process."""
    deployment = front.get("apps/v1", "Deployment", balancer.NAME) or {}
    config = front.get("v1", "ConfigMap", config_of(deployment)) if deployment else None
    if config is None:
        raise UserError("The balancer has no configuration", f"Run `fwb up {front.place.stack}` first.")
    name = config["metadata"]["name"]
    main = CONNECTIONS.sub(lambda found: f"{found[1]}{int(found[2]) - 1};", config["data"][CONFIG_FILE])
    data = {**config["data"], CONFIG_FILE: main}
    made = f"{balancer.NAME}-{hashlib.sha256(main.encode()).hexdigest()[:8]}{SUFFIX}"
    before: dict[str, str] = config["metadata"].get("labels") or {}
    labels = {key: value for key, value in before.items() if key.startswith("app.kubernetes.io/")}
    manifest: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": made,
            "namespace": front.namespace,
            "labels": labels | {ANNOTATION: "true"},
        },
        "data": data,
    }
    return [
        Step("v1", "ConfigMap", made, made=manifest),
        Step("apps/v1", "Deployment", balancer.NAME, _config(deployment, made), _config(deployment, name)),
    ]


def image_rolls(front: Front) -> list[Step]:
    """The balancer gets the same image by another name."""
    return [
        Step(
            "apps/v1",
            "Deployment",
            balancer.NAME,
            _template(image=other_name(front.image)),
            _template(image=front.image),
        )
    ]


def redis_gone(front: Front) -> list[Step]:
    """No pod of Redis runs."""
    found = front.get("apps/v1", "Deployment", REDIS) or {"spec": {}}
    replicas = found["spec"].get("replicas", 1)
    return [Step("apps/v1", "Deployment", REDIS, {"spec": {"replicas": 0}}, {"spec": {"replicas": replicas}})]


def _template(**change: str | None) -> Object:
    """A patch of the pods' template: of nginx's image, or of the drill's annotation."""
    if "image" in change:
        return {"spec": {"template": {"spec": {"containers": [{"name": NGINX, "image": change["image"]}]}}}}
    return {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: change["annotation"]}}}}}


def _config(deployment: Object, config: str) -> Object:
    """A patch of the volume that is the configuration."""
    volumes: list[Object] = deployment["spec"]["template"]["spec"]["volumes"]
    [name] = [each["name"] for each in volumes if "configMap" in each]
    return {"spec": {"template": {"spec": {"volumes": [{"name": name, "configMap": {"name": config}}]}}}}
