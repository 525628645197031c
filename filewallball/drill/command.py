"""`fwb drill …`: refuses what must not be, asks, runs the rounds, and reports."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from filewallball import paths, redact, stack
from filewallball.drill import pod, report
from filewallball.drill.folder import write
from filewallball.drill.results import Journal
from filewallball.drill.tool import E_, R, S, Summary, Tool, go_through
from filewallball.errors import ConfigError, UserError, nearest
from filewallball.stack import Place


def events_as_text(tool: Tool[S, E_, R]) -> str:
    """All events, one a line."""
    width = max(len(event.name) for event in tool.events)
    return "\n".join(
        f"{event.name:{width}}  {event.what}"
        f" ({'on a sandbox only' if event.on_nodes else 'on any cluster'}; {tool.described(event)})"
        for event in tool.events
    )


def drill(
    tool: Tool[S, E_, R],
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
    """Drill a stack. Returns 0 if every round went well within the limits, else 1.

    Raises ConfigError (exit 2, nothing touched) for what can't or mustn't be, UserError if it cannot go on.
    """
    if rounds < 1:
        raise ConfigError(f"--rounds {rounds} is too few", "Give 1 or more.")
    chosen = select(tool, names)
    place = stack.find(project, stack_name)
    refuse_lasting(tool, place)
    chosen, left_out = possible(tool, place, chosen, named=bool(names))
    folder = out or Path(f"{tool.folder}-{stack_name}")
    subject = tool.find(place)
    _ask(tool, place, chosen, rounds, yes=yes)
    about = {"drill": tool.name, **tool.about(subject)}
    journal = Journal.open(folder, about, resume=resume, make=tool.result)
    console = Console(stderr=as_json)
    for text in left_out:
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    found: Sequence[Summary] = []
    try:
        _run(tool, place, subject, journal, chosen, rounds, console)
    finally:
        if journal.rounds:
            found = write(tool, journal, folder)
    if as_json:
        every = {"rounds": [asdict(one) for one in journal.rounds]}
        print(json.dumps(redact.KNOWN.data(report.as_json(journal, found) | every), indent=1))
    else:
        report.show(tool.columns, found, console)
        print(f"report: {folder / 'report.md'}")
    return 0 if all(each.met for each in found) else 1


def select(tool: Tool[S, E_, R], names: Sequence[str]) -> list[E_]:
    """The events of these names in the order of all; all of them if none is named. Raises ConfigError."""
    unknown = [name for name in names if name not in tool.by_name]
    if unknown:
        raise ConfigError(
            f"There is no event {', '.join(unknown)}", nearest(unknown[0], tool.by_name, "Events")
        )
    return [event for event in tool.events if event.name in names or not names]


def refuse_lasting(tool: Tool[S, E_, R], place: Place) -> None:
    """Raises ConfigError unless the stack's settings say that nobody needs it."""
    if not place.disposable:
        raise ConfigError(
            f"stack {place.stack} isn't marked as disposable, and {tool.harm}",
            "Drill another stack. If nobody needs this one, write `filewallball:disposable: true` in"
            f" Pulumi.{place.stack}.yaml, and run `fwb up {place.stack}`.",
        )


def possible(
    tool: Tool[S, E_, R], place: Place, chosen: Sequence[E_], *, named: bool
) -> tuple[list[E_], list[str]]:
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
        able = [event.name for event in tool.events if not event.on_nodes]
        raise ConfigError(
            text,
            f"Choose from: {', '.join(able)}. All events need a stack with filewallball:cluster.sandbox.",
        )
    return can, [text]


def _ask(tool: Tool[S, E_, R], place: Place, chosen: Sequence[E_], rounds: int, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError("A drill asks before it begins, and there is nobody to ask", "Give --yes.")
    lines = [f"This breaks {tool.breaks} of {place} on purpose, {rounds} times each:"]
    lines += [f"  {event.name}: {event.what}" for event in chosen]
    # not on stdout, which may be for data
    print("\n".join(lines), f"{tool.question} Type yes to go on: ", sep="\n", end="", file=sys.stderr)
    if input().strip().lower() != "yes":
        raise UserError("Nothing was done", "Type yes to begin, or give --yes.")


def _run(
    tool: Tool[S, E_, R],
    place: Place,
    subject: S,
    journal: Journal[R],
    chosen: Sequence[E_],
    rounds: int,
    console: Console,
) -> None:
    """Run the rounds that aren't done yet; whatever happens, the stack is left as healthy as it can be.

    Raises UserError if the stack isn't sound before a round; rounds that fail are results like others.
    """
    if place.sandbox:
        tool.bring(subject, chosen)
    faults = _faults(place)
    status = console.status("preparing") if console.is_terminal else None

    def say(text: str) -> None:
        if status:
            status.update(text)

    previous = signal.signal(signal.SIGTERM, _interrupt)
    if status:
        status.start()
    try:
        if faults:
            faults.heal_all(place.namespace)
        with _yielding(place), pod.running(place, tool.work(subject)) as load:
            work = tool.rounds(subject, load, faults, journal)
            try:
                work.leave()  # what an earlier drill could not put back
                go_through(
                    work, journal, chosen, rounds,
                    lambda event, number: say(f"round {number} of {rounds}: {event.name}"),
                    lambda one: console.print(
                        tool.line(one, journal.about), highlight=False, markup=False, soft_wrap=True
                    ),
                )  # fmt: skip
            finally:
                say(f"leaving {tool.breaks} as they were")
                work.leave()
    finally:
        if status:
            status.stop()
        if faults:
            faults.close()
        signal.signal(signal.SIGTERM, previous)


def _yielding(place: Place) -> AbstractContextManager[None]:
    """The load, the servers and a whole cluster share a sandbox's processors: the cluster comes last."""
    if not place.sandbox:
        return nullcontext()
    from filewallball.sandbox import cgroups

    return cgroups.yielding(paths.sandbox_context(place.sandbox), cgroups.mounted())


def _faults(place: Place) -> Any:
    if not place.sandbox:
        return None
    from filewallball.sandbox.faults import Faults

    return Faults(place.sandbox)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
