"""What one round of the balancer's drill recorded, as it goes from the load's pod to who asked for it.

All times are seconds of the pod's monotonic clock.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self


class Plan(NamedTuple):
    """What to do in a round."""

    round: str
    url: str
    """Where users come in: the Service `balancer`."""
    rate: float
    """Requests a second, however long the answers take."""
    email: str
    password: str
    """Of the account that the load logs in to. It is made if there is none."""
    servers: dict[str, tuple[str, int]]
    """Where each server of the application is asked whether it answers, by its name."""
    pods: tuple[str, int, int]
    """The name that stands for all pods of the balancer; the ports of their status and of their site."""
    at_once: int
    """So many requests at a time are under way at most; what is due beyond that waits for its turn."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Raises TypeError for other fields than these."""
        data["servers"] = {name: (host, port) for name, (host, port) in data["servers"].items()}
        data["pods"] = tuple(data["pods"])
        return cls(**data)


class Sample(NamedTuple):
    """One request of a user."""

    kind: str
    """The name of a kind in mix.py."""
    due: float
    sent: float
    done: float
    status: int
    """0: there was no answer."""
    server: str
    """Which server of the application answered, by its own word."""
    error: str
    """Why there was no answer: refused, reset, timeout, cut short, or in the client's own words."""
    right: bool
    """The answer is the one that was to come: its status, and every byte of what is known."""
    retry_after: bool
    """The answer says when to come again."""
    again: int | None = None
    """For a connection that was refused or reset: what a second try was answered; 0 for nothing."""
    again_right: bool = False
    again_done: float = 0.0


class View(NamedTuple):
    """What a pod of the balancer says of its servers."""

    asked: float
    at: float
    balancer: str
    gets: tuple[str, ...]
    """Those that get requests, by its own word."""
    ended: dict[str, int]
    """How many requests have ended at each, by nginx's log."""
    failed: dict[str, int]
    """How many of them nginx counts against it."""


class Passage(NamedTuple):
    """A request that was sent to one pod of the balancer, and the server that it was passed on to."""

    sent: float
    at: float
    balancer: str
    server: str


class Health(NamedTuple):
    """Whether a server of the application answers, asked without the balancer."""

    at: float
    server: str
    answers: bool


@dataclass
class Recording:
    """One round."""

    began: float = 0.0
    ended: float = 0.0
    samples: list[Sample] = field(default_factory=list[Sample])
    views: list[View] = field(default_factory=list[View])
    passages: list[Passage] = field(default_factory=list[Passage])
    health: list[Health] = field(default_factory=list[Health])
    uploads: int = 0
    """Acknowledged ones."""
    uploads_lost: list[str] = field(default_factory=list[str])
    """Those that didn't come back as they were sent, and why."""
    verified: bool = False
    """Whether all acknowledged uploads were looked up."""
    longest_stall: float = 0.0
    """The longest time for which the client itself didn't get to run."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_json`, also after a way through JSON text."""
        read: dict[str, Any] = {
            **data,
            "samples": [Sample(*one) for one in data["samples"]],
            "views": [
                View(asked, at, name, tuple(gets), ended, failed)
                for asked, at, name, gets, ended, failed in data["views"]
            ],
            "passages": [Passage(*one) for one in data["passages"]],
            "health": [Health(*one) for one in data["health"]],
        }
        return cls(**read)
