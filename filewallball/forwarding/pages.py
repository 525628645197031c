"""The pages of a stack that people open in a browser, and where this machine has them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facts.addresses import URL, Page
from filewallball import paths, stack
from filewallball.errors import UserError
from filewallball.sandbox.publisher import published
from filewallball.stack import Place

PATIENCE_SECONDS = 5.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Found:
    """`url`: where this machine has it already, because its cluster is a sandbox; else None."""

    page: Page
    service: dict[str, Any]
    url: str | None


def of_stack(place: Place, patience: float = 0.0) -> list[Found]:
    """All pages, by name. `patience`: seconds for a sandbox to open what has just been made."""
    services = [
        (page, service)
        for service in place.kube.list("v1", "Service", place.namespace)
        if (page := _page(service))
    ]
    deadline = time.monotonic() + patience
    while True:
        here = _here(place)
        found = [
            Found(page, service, here.get(f"{place.namespace}/{service['metadata']['name']}"))
            for page, service in services
        ]
        if not place.sandbox or all(each.url for each in found) or time.monotonic() > deadline:
            return sorted(found, key=lambda each: each.page.port)
        time.sleep(_LOOK_SECONDS)


def _page(service: dict[str, Any]) -> Page | None:
    annotations: dict[str, str] = service["metadata"].get("annotations") or {}
    return Page.read(annotations.get(URL, ""))


def _here(place: Place) -> dict[str, str]:
    if not place.sandbox:
        return {}
    return {each.service: each.url for each in published(paths.sandbox_dir(place.sandbox))}


def after_up(project: Path, name: str, say: Callable[[str], None]) -> None:
    """At the end of a deployment, which went well whatever can be found out here."""
    with suppress(UserError):
        show(stack.find(project, name), say)


def show(place: Place, say: Callable[[str], None]) -> None:
    """A line for each page: its URL, or how to get one."""
    for each in of_stack(place, PATIENCE_SECONDS):
        if each.url:
            say(f"{each.page.name}: {each.url}")
        else:
            say(f"{each.page.name}: run `fwb forward {place.stack}`, and open {each.page.url()}")
