"""What one round of a drill recorded, as it goes from the load's pod to who asked for it.

All times are seconds of the pod's monotonic clock.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Self

Reader = Literal["primary", "replica"]


class Plan(NamedTuple):
    """What to do in a round. Addresses are `(host, port)` by the pod's name."""

    round: str
    members: dict[str, tuple[str, int]]
    sentinels: dict[str, tuple[str, int]]
    master: str
    rate: float
    """Writes a second."""
    read_rate: float
    wait_every: int
    """Every so many writes are followed by WAIT 1."""
    preload: int
    """So many keys are written before all else, as fast as can be."""
    waiters: int = 0
    """So many threads write beside that, and have a replica acknowledge every write."""
    waiter_rate: float = 1.0
    """Their writes a second, each."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Raises TypeError for other fields than these."""
        for each in ("members", "sentinels"):
            data[each] = {name: (host, port) for name, (host, port) in data[each].items()}
        return cls(**data)


class Ack(NamedTuple):
    """An acknowledged write. `waited`: None without WAIT, else the number of replicas that WAIT named."""

    seq: int
    sent: float
    acked: float
    waited: int | None = None


class Probe(NamedTuple):
    """A write sent to one member directly. `verdict`: accepted, silent, or how it was refused."""

    sent: float
    answered: float
    verdict: str


class Event(NamedTuple):
    """What a Sentinel announced."""

    at: float
    sentinel: str
    channel: str
    text: str


class State(NamedTuple):
    """The set became whole, or `why` it isn't."""

    at: float
    whole: bool
    why: str


@dataclass
class Recording:
    """One round."""

    interval: float
    """Pacing of the writer, in seconds."""
    began: float = 0.0
    ended: float = 0.0
    acks: list[Ack] = field(default_factory=list[Ack])
    errors: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """Writes that the client gave up, with what it was told."""
    reads: dict[Reader, list[float]] = field(default_factory=dict[Reader, list[float]])
    """When reads were answered."""
    probes: dict[str, list[Probe]] = field(default_factory=dict[str, list[Probe]])
    events: list[Event] = field(default_factory=list[Event])
    states: list[State] = field(default_factory=list[State])
    lost: list[int] = field(default_factory=list[int])
    """Sequence numbers of acknowledged writes that the set, in the end, didn't have."""
    verified: bool = False
    """Whether all acknowledged writes were looked up."""
    longest_stall: float = 0.0
    """The longest time for which the pod itself didn't get to run."""
    waiter_interval: float = 0.0
    """Pacing of each thread that waits for replicas, in seconds."""
    waited: list[float] = field(default_factory=list[float])
    """When their writes were acknowledged by a replica."""
    waited_in_vain: int = 0
    """Writes of theirs that no replica acknowledged in time."""
    waited_lost: int = 0
    """Writes of theirs that a replica had acknowledged, and that the set didn't have in the end."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`, also after a way through JSON text."""
        read: dict[str, Any] = {
            **data,
            "acks": [Ack(*one) for one in data["acks"]],
            "errors": [(at, text) for at, text in data["errors"]],
            "probes": {name: [Probe(*one) for one in each] for name, each in data["probes"].items()},
            "events": [Event(*one) for one in data["events"]],
            "states": [State(*one) for one in data["states"]],
        }
        return cls(**read)
