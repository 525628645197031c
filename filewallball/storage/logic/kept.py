"""Checkpoints and the states of workflows: values under names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from filewallball.storage import codec
from filewallball.storage.errors import WrongValue
from filewallball.storage.logic.values import Keep, Values
from filewallball.storage.steps import Operation

CHECKPOINT, WORKFLOW = "checkpoint:", "workflow:"
CHECKPOINT_SECONDS = 7 * 86_400.0


def state(given: object) -> dict[str, Any]:
    """Of a workflow. Raises WrongValue."""
    if isinstance(given, Mapping):
        return dict(cast("Mapping[str, Any]", given))
    raise WrongValue(f"The state is {given!r}. Write a dict, such as {{'step': 'paid'}}.")


class Kept:
    """Nothing of it degrades to a miss: work that goes on from a lost state would be wrong."""

    def __init__(self, values: Values, checkpoint_ttl: float | None) -> None:
        self.values = values
        self.checkpoint_ttl = checkpoint_ttl

    def save(self, beginning: str, name: str, data: object, ttl: float | Keep | None) -> Operation[bool]:
        key, raw = self._key(beginning, name), codec.encode(data)
        if beginning == CHECKPOINT and ttl == "default":
            ttl = self.checkpoint_ttl
        left = self.values.ttl_of(ttl)
        return (yield lambda io: io.backend.set(key, raw, left))

    def load(self, beginning: str, name: str, default: Any) -> Operation[Any]:
        key = self._key(beginning, name)
        raw = yield lambda io: io.backend.get(key)
        return default if raw is None else codec.decode(raw)

    def delete(self, beginning: str, name: str) -> Operation[bool]:
        key = self._key(beginning, name)
        return bool((yield lambda io: io.backend.delete([key])))

    def names(self, beginning: str, prefix: str) -> Operation[list[str]]:
        found = yield from self.values.keys(beginning + prefix)
        return [name[len(beginning) :] for name in found]

    def update(
        self, name: str, changes: Mapping[str, Any], ttl: float | Keep | None
    ) -> Operation[dict[str, Any]]:
        key, left = self._key(WORKFLOW, name), "keep" if ttl == "default" else self.values.ttl_of(ttl)
        changes = state(changes)
        codec.encode(changes)

        def merged(raw: bytes | None) -> bytes:
            held: Any = {} if raw is None else codec.decode(raw)
            if not isinstance(held, dict):
                raise WrongValue(
                    f"The state of {name!r} is no object. Set it anew with set_workflow_state()."
                )
            return codec.encode({**cast("dict[str, Any]", held), **changes})

        raw = yield lambda io: io.backend.change(key, merged, ttl=left)
        return codec.decode(raw)

    def _key(self, beginning: str, name: str) -> bytes:
        if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise WrongValue(f"The name is {name!r}. Write a text such as 'import:42'.")
        return self.values.key(beginning + name)
