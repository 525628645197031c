"""`python3 -m filewallball.drill.load.web`: the load's pod of the balancer's drill."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from filewallball.drill.load.server import Load, run
from filewallball.drill.load.web.primary import primary
from filewallball.drill.load.web.recording import Plan
from filewallball.drill.load.web.round import WebRound


def make(body: dict[str, Any]) -> WebRound:
    return WebRound(Plan.from_json(body))


MORE: dict[str, Callable[[WebRound, dict[str, Any]], dict[str, Any]]] = {
    "primary": lambda _, body: primary(body),
    "ended": lambda one, body: {"requests": one.ended_since(float(body["since"]))},
}


if __name__ == "__main__":
    run(Load(make, MORE))
