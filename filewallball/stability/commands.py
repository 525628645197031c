"""`fwb redis state` and `fwb redis poll`, for whatever the target is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from filewallball.stability import in_stack, poll, saved, state, targets


def look(project: Path, name: str, out: Path | None, *, as_json: bool) -> int:
    """The state. Returns 0 if all is well, else 1. Raises ConfigError for a wrong target."""
    if not (of_stack := in_stack.split(name)):
        return state.run(targets.read(name, project), out, as_json=as_json)
    stack, part = of_stack
    return saved.told(
        "state",
        f"{stack}-{part}",
        datetime.now(UTC),
        out,
        lambda: in_stack.taken(project, stack, ["state", part]),
        state.show,
        as_json=as_json,
    )


def load(project: Path, name: str, seconds: float, rate: float, out: Path | None, *, as_json: bool) -> int:
    """The poll. Returns 0, or 1 if a request failed. Raises ConfigError for a wrong target or number."""
    if not (of_stack := in_stack.split(name)):
        return poll.run(targets.read(name, project), seconds, rate, out, as_json=as_json)
    poll.check_numbers(seconds, rate)
    stack, part = of_stack
    words = ["poll", part, "--seconds", str(seconds), "--rate", str(rate)]
    return saved.told(
        "poll",
        f"{stack}-{part}",
        datetime.now(UTC),
        out,
        lambda: in_stack.taken(project, stack, words, seconds),
        poll.show,
        as_json=as_json,
    )
