"""`fwb drill valkey`: refuses what must not be, asks, runs the rounds, and reports."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from filewallball import redact, stack
from filewallball.drill import pod, report, summary
from filewallball.drill.events import BY_NAME, EVENTS, Event
from filewallball.drill.folder import write
from filewallball.drill.limits import described
from filewallball.drill.members import Set
from filewallball.drill.results import Journal, Round
from filewallball.drill.rolls import Rolls, other_name
from filewallball.drill.runner import RATE, READ_RATE, WAIT_EVERY, WAITER_RATE, WAITERS, Drill
from filewallball.errors import ConfigError, UserError, nearest
from filewallball.stack import Place


def events_as_text() -> str:
    """All events, one a line."""
    width = max(len(event.name) for event in EVENTS)
    return "\n".join(
        f"{event.name:{width}}  {event.what}"
        f" ({'on a sandbox only' if event.on_nodes else 'on any cluster'}; {described(event.limits)})"
        for event in EVENTS
    )


def drill(
    project: Path,
    stack_name: str,
    names: Sequence[str] = (),
    *,
    rounds: int = 1,
    out: Path | None = None,
    resume: bool = False,
    yes: bool = False,
    as_json: bool = False,
) -> int:
    """Run a drill of a stack's session servers. Returns 0 if every round went well within the limits, else 1.

    Raises ConfigError (exit 2, nothing touched) for what can't or mustn't be, UserError if it cannot go on.
    """
    if rounds < 1:
        raise ConfigError(f"--rounds {rounds} is too few", "Give 1 or more.")
    chosen = select(names)
    place = stack.find(project, stack_name)
    refuse_lasting(place)
    chosen, left_out = possible(place, chosen, named=bool(names))
    folder = out or Path(f"drill-{stack_name}")
    set_ = Set.find(place)
    _ask(place, chosen, rounds, yes=yes)
    journal = Journal.open(folder, _about(set_), resume=resume)
    console = Console(stderr=as_json)
    for text in left_out:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    try:
        _run(set_, journal, chosen, rounds, console)
    finally:
        found = write(journal, folder) if journal.rounds else []
    if as_json:
        every = {"rounds": [asdict(one) for one in journal.rounds]}
        print(json.dumps(redact.KNOWN.data(summary.as_json(journal, found) | every), indent=1))
    else:
        report.show(found, console)
        print(f"report: {folder / 'report.md'}")
    return 0 if all(each.met for each in found) else 1


def select(names: Sequence[str]) -> list[Event]:
    """The events of these names in the order of all; all of them if none is named. Raises ConfigError."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise ConfigError(f"There is no event {', '.join(unknown)}", nearest(unknown[0], BY_NAME, "Events"))
    return [event for event in EVENTS if event.name in names or not names]


def refuse_lasting(place: Place) -> None:
    """Raises ConfigError unless the stack's settings say that nobody needs it."""
    if not place.disposable:
        raise ConfigError(
            f"stack {place.stack} isn't marked as disposable, and a drill loses sessions on purpose",
            "Drill another stack. If nobody needs this one, write `filewallball:disposable: true` in"
            f" Pulumi.{place.stack}.yaml, and run `fwb up {place.stack}`.",
        )


def possible(place: Place, chosen: Sequence[Event], *, named: bool) -> tuple[list[Event], list[str]]:
    """The events that this cluster allows, and a line about those that it doesn't.

    Raises ConfigError if one of them was asked for by name.
    """
    if place.sandbox:
        return list(chosen), []
    can = [event for event in chosen if not event.on_nodes]
    cannot = [event.name for event in chosen if event.on_nodes]
    if not cannot:
        return can, []
    text = (
        f"{place.kube.context} isn't a sandbox, so that {', '.join(cannot)} can't run there: these events "
        "break processes and networks of nodes"
    )
    if named:
        able = [event.name for event in EVENTS if not event.on_nodes]
        raise ConfigError(
            text,
            f"Choose from: {', '.join(able)}. All events need a stack with filewallball:cluster.sandbox.",
        )
    return can, [text]


def _ask(place: Place, chosen: Sequence[Event], rounds: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("A drill asks before it begins, and there is nobody to ask", "Give --yes.")
    lines = [f"This breaks the session servers of {place} on purpose, {rounds} times each:"]
    lines += [f"  {event.name}: {event.what}" for event in chosen]
    # not on stdout, which may be for data
    print("\n".join(lines), "Sessions will be lost. Type yes to go on: ", sep="\n", end="", file=sys.stderr)
    if input().strip().lower() != "yes":
        raise UserError("Nothing was done", "Type yes to begin, or give --yes.")


def _about(set_: Set) -> dict[str, Any]:
    """What the rounds were run on."""
    place = set_.place
    return {
        "stack": place.stack,
        "namespace": place.namespace,
        "cluster": place.kube.context,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "members": len(set_.members),
        "sentinels": len(set_.sentinels),
        "image": set_.server_image,
        "append_only": set_.append_only,
        "machine": f"{os.cpu_count()} CPUs, Linux {platform.release()}",
        "rate": RATE,
        "read_rate": READ_RATE,
        "wait_every": WAIT_EVERY,
        "waiters": WAITERS,
        "waiter_rate": WAITER_RATE,
    }


def _run(set_: Set, journal: Journal, chosen: Sequence[Event], rounds: int, console: Console) -> None:
    """Run the rounds; whatever happens, the set is left as healthy as it can be."""
    rolls = Rolls(set_.place, journal.path.parent)
    if set_.place.sandbox:
        _bring_images(set_, chosen)
    faults = _faults(set_.place)
    status = console.status("preparing") if console.is_terminal else None

    def say(result: Round) -> None:
        console.print(report.line(result), highlight=False, markup=False, soft_wrap=True)

    def now(event: Event, number: int) -> None:
        if status:
            status.update(f"round {number} of {rounds}: {event.name}")

    previous = signal.signal(signal.SIGTERM, _interrupt)
    if status:
        status.start()
    try:
        if faults:
            faults.heal_all(set_.place.namespace)
        with pod.running(set_.place, set_.image, set_.pull) as load:
            drill_ = Drill(set_, load, rolls, faults, journal, say)
            try:
                if rolls.pending:
                    drill_.leave()
                drill_.run(chosen, rounds, now)
            finally:
                if status:
                    status.update("leaving the set as it was")
                drill_.leave()
    finally:
        if status:
            status.stop()
        if faults:
            faults.close()
        signal.signal(signal.SIGTERM, previous)


def _faults(place: Place) -> Any:
    if not place.sandbox:
        return None
    from filewallball.sandbox.faults import Faults

    return Faults(place.sandbox)


def _bring_images(set_: Set, chosen: Sequence[Event]) -> None:
    """A sandbox pulls nothing: bring in the image that a rolling update is to find there."""
    if BY_NAME["rolling-image"] in chosen:
        from filewallball.sandbox import images

        images.ensure(str(set_.place.sandbox), [other_name(set_.server_image)])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
