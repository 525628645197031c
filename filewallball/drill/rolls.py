"""Rolling updates as an `up` makes them, one there and the next one back again.

What is changed is put back at the end, with whom each field belongs to: the next `up`, under either engine,
finds what it left. The originals lie in a file meanwhile, for the next drill, should this one be killed.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from filewallball.drill.members import CONFIG_MAP, MEMBERS, SENTINELS, SERVER, rolling, waiting
from filewallball.drill.results import read_text, write_text
from filewallball.errors import UserError
from filewallball.stack import Place

Object = dict[str, Any]
Kind = Literal["config", "image"]

KINDS: tuple[Kind, Kind] = ("config", "image")
ANNOTATION = "filewallball.io/config"
UNDO_FILE = "undo.json"
LOG_LEVEL = re.compile(r"^(loglevel\s+)(\w+)", re.MULTILINE)
SUFFIX = "-trixie"
"""`docker.io/valkey/valkey:8.1` and `…:8.1-trixie` are the same image upstream, under two names."""
ROLLOUT_SECONDS = 300.0


class Rolls:
    """The rolling updates of one drill."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place, self._file = place, folder / UNDO_FILE
        self._originals: dict[str, Object] = {}
        self._changed: set[Kind] = set()
        if self._file.exists():
            self._originals = json.loads(read_text(self._file))
            self._changed.update(KINDS)

    def roll(self, kind: Kind) -> str:
        """Change what is as it was, or put back what is changed, and wait until all pods run with it.

        Returns in words what was done. Raises UserError if the pods don't come up.
        """
        if not self._originals:
            self._originals = {name: self._live(name) for name in (CONFIG_MAP, SENTINELS, MEMBERS)}
        there = kind not in self._changed
        patches = self._patches(kind, there=there)
        write_text(self._file, json.dumps(self._originals))
        self._changed.symmetric_difference_update({kind})
        self._apply(patches, wait=True)
        self._forget_if_undone()
        what = "log level" if kind == "config" else "image reference"
        return f"{what} {'changed' if there else 'put back'}"

    @property
    def pending(self) -> bool:
        """Whether anything isn't as it was."""
        return bool(self._changed)

    def undo(self) -> None:
        """Put everything back that is changed; its pods are still rolling when this returns."""
        for kind in sorted(self._changed):
            self._apply(self._patches(kind, there=False), wait=False)
        self._changed.clear()
        self._forget_if_undone()

    def _patches(self, kind: Kind, *, there: bool) -> dict[str, Object]:
        """What to change, by the object's name, in the order of an `up`: there, or back again."""
        patches: dict[str, Object] = {}
        if kind == "config":
            data: dict[str, str] = self._originals[CONFIG_MAP]["data"]
            texts = {name: text for name, text in data.items() if LOG_LEVEL.search(text)}
            patches[CONFIG_MAP] = {
                "data": {name: _other_level(text) if there else text for name, text in texts.items()}
            }
        # the Sentinels first and alone, as the program has it
        for name in (SENTINELS, MEMBERS):
            template = self._originals[name]["spec"]["template"]
            if kind == "config":
                mark = template["metadata"]["annotations"][ANNOTATION]
                value = hashlib.sha256(mark.encode()).hexdigest()[: len(mark)] if there else mark
                change: Object = {"metadata": {"annotations": {ANNOTATION: value}}}
            else:
                image = _image(template, SERVER[name])
                value = other_name(image) if there else image
                change = {"spec": {"containers": [{"name": SERVER[name], "image": value}]}}
            patches[name] = {"spec": {"template": change}}
        return patches

    def _apply(self, patches: dict[str, Object], *, wait: bool) -> None:
        for name, patch in patches.items():
            kind = _kind(name)
            self._place.kube.patch(*kind, name, self._place.namespace, patch, type="strategic")
            if wait and name != CONFIG_MAP:
                waiting(lambda name=name: rolling(self._live(name)), ROLLOUT_SECONDS, f"{name} hasn't rolled")

    def _live(self, name: str) -> Object:
        found = self._place.kube.get(*_kind(name), name, self._place.namespace)
        if found is None:
            raise UserError(
                f"There is no {_kind(name)[1]} {name} in {self._place}",
                f"Run `fwb up {self._place.stack}` first.",
            )
        return found

    def _forget_if_undone(self) -> None:
        """Once all is as it was, give every field back to its owner."""
        if self._changed or not self._originals:
            return
        for original in self._originals.values():
            meta = original["metadata"]
            owners = {"metadata": {"managedFields": meta["managedFields"]}}
            self._place.kube.patch(
                original["apiVersion"], original["kind"], meta["name"], meta["namespace"], owners
            )
        self._originals = {}
        self._file.unlink(missing_ok=True)


def _kind(name: str) -> tuple[str, str]:
    return ("v1", "ConfigMap") if name == CONFIG_MAP else ("apps/v1", "StatefulSet")


def _other_level(text: str) -> str:
    """The file with another log level; what a level logs at all hardly differs between these two."""
    return LOG_LEVEL.sub(lambda m: m[1] + ("verbose" if m[2] == "notice" else "notice"), text)


def other_name(image: str) -> str:
    """Another reference of the same image, and of that one this. Raises UserError where none is known."""
    if "@" in image:
        raise UserError(
            f"rolling-image: {image} is named by its digest, and there is no other name of the same content",
            "Leave rolling-image out.",
        )
    return image.removesuffix(SUFFIX) if image.endswith(SUFFIX) else image + SUFFIX


def _image(template: Object, container: str) -> str:
    return next(one["image"] for one in template["spec"]["containers"] if one["name"] == container)
