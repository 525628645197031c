"""The shared views: what ends one, and what ends the whole run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from filewallball.engine.waiting.observer import Observer
from filewallball.errors import UserError
from filewallball.kube import KubeError

PATIENCE = 10.0


class Watches:
    """A watch that shows one object, and then ends as told; each further one shows another."""

    def __init__(self, *ends: UserError) -> None:
        self.begun = 0
        self.go_on = threading.Event()
        self._ends = list(ends)

    def watch(self, *_: Any, **__: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        self.begun += 1
        yield "ADDED", {"kind": "Gadget", "metadata": {"name": f"gadget-{self.begun}"}}
        self.go_on.wait(PATIENCE)
        if self._ends:
            raise self._ends.pop(0)


def names(observer: Observer) -> list[str]:
    return [each["metadata"]["name"] for each in observer.objects("test/v1", "Gadget", "shop")]


def wait_for(observer: Observer, expected: list[str]) -> None:
    for _ in range(100):
        if names(observer) == expected:
            return
        observer.wait(PATIENCE / 100)
    raise AssertionError(f"still {names(observer)}")


def test_a_kind_that_is_gone_has_no_objects_and_disturbs_nobody() -> None:
    watches = Watches(KubeError(404, "NotFound", "404 page not found"))
    observer = Observer(watches)  # pyright: ignore[reportArgumentType]
    view = observer.view("test/v1", "Gadget", "shop")
    wait_for(observer, ["gadget-1"])
    watches.go_on.set()
    wait_for(observer, ["gadget-2"])  # looked for anew, as it may have been defined again
    assert view.objects == {}, "whoever still holds the old view waits for nothing"


def test_any_other_error_ends_every_wait() -> None:
    watches = Watches(KubeError(403, "Forbidden", "not yours"))
    observer = Observer(watches)  # pyright: ignore[reportArgumentType]
    wait_for(observer, ["gadget-1"])
    watches.go_on.set()
    with pytest.raises(KubeError, match="not yours"):
        wait_for(observer, ["never"])
