"""What the drills have in common, and what each of them brings.

Every drill refuses what must not be, asks, makes events happen round after round under a load, keeps each
round in a file, and reports. A `Tool` is what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from filewallball.drill.pod import LoadPod, LoadWork
from filewallball.drill.results import Journal
from filewallball.stack import Place


class Result(Protocol):
    """A round's figures: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def event(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def stall(self) -> float: ...


class Event(Protocol):
    """Something that can be done to a stack."""

    @property
    def name(self) -> str: ...
    @property
    def what(self) -> str: ...
    @property
    def on_nodes(self) -> bool: ...


class Summary(Protocol):
    """All rounds of one event."""

    @property
    def event(self) -> Event: ...
    @property
    def broken(self) -> list[str]: ...
    @property
    def met(self) -> bool: ...
    @property
    def limits(self) -> str: ...
    @property
    def outages(self) -> list[float]: ...
    @property
    def outage_limit(self) -> float | None: ...
    def cells(self) -> tuple[str, ...]: ...
    def as_json(self) -> dict[str, Any]: ...


E_ = TypeVar("E_", bound=Event)
R = TypeVar("R", bound=Result)
S = TypeVar("S")
E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
R_co = TypeVar("R_co", bound=Result, covariant=True)


class Rounds(Protocol[E_contra, R_co]):
    """Makes events happen to one stack, one round at a time."""

    def round(self, event: E_contra, number: int) -> R_co: ...
    def leave(self) -> None: ...


@dataclass(frozen=True)
class Tool(Generic[S, E_, R]):
    """One kind of drill. `S`: what it finds in a stack and breaks."""

    name: str
    """The command's."""
    title: str
    folder: str
    """What the folder of rounds and report is called before the stack's name, if nobody names another."""
    breaks: str
    """What is broken, in the plural."""
    harm: str
    """Why not on a stack that somebody needs."""
    question: str
    """What is lost or fails, before it asks whether to begin."""
    events: tuple[E_, ...]
    described: Callable[[E_], str]
    """The limits of an event, in words."""
    result: Callable[..., R]
    find: Callable[[Place], S]
    """Raises UserError where the stack hasn't got it."""
    about: Callable[[S], dict[str, Any]]
    """What the rounds were run on."""
    work: Callable[[S], LoadWork]
    bring: Callable[[S, Sequence[E_]], None]
    """Brings a sandbox the images that these events need."""
    rounds: Callable[[S, LoadPod, Any, Journal[R]], Rounds[E_, R]]
    """With the sandbox's faults, or None."""
    line: Callable[[R, Mapping[str, Any]], str]
    """A round on one line, of a drill about which this is known."""
    columns: tuple[str, ...]
    summaries: Callable[[Journal[R]], Sequence[Summary]]
    introduction: Callable[[Mapping[str, Any]], Sequence[str]]
    """What stands in the report before the table: how it was measured."""
    legend: tuple[str, ...]
    """What the columns mean."""
    axis: str
    """What the plot shows."""

    @property
    def by_name(self) -> dict[str, E_]:
        return {event.name: event for event in self.events}


def go_through(
    work: Rounds[E_, R],
    journal: Journal[R],
    events: Sequence[E_],
    rounds: int,
    now: Callable[[E_, int], None],
    done: Callable[[R], None],
) -> None:
    """Run the rounds that the journal doesn't have; `now` hears what comes next, `done` what came of it.

    All events once, then all again: an hour's weather of the machine meets each of them.
    """
    for number in range(1, rounds + 1):
        for event in events:
            if not journal.done(event.name, number):
                now(event, number)
                result = work.round(event, number)
                journal.append(result)
                done(result)
