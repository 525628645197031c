"""Which port of this machine leads where: the numbers are those of the documents that describe the servers.

6379 and up are the session servers: 6379 is the primary of the moment, the others are its replicas. The
cache, to which another document gives 6379 as well, has the port behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from facts import app, mariadb, redis, valkey
from filewallball.errors import UserError
from filewallball.forwarding import pages
from filewallball.stack import Place

Object = dict[str, Any]
_UP = "Run `fwb up {0}`, and see `fwb check {0}`."


@dataclass(frozen=True)
class Port:
    """`pod`: the name of the pod that gets the next connection. Raises UserError if there is none.

    `url`: what to open in a browser, for a page.
    """

    local: int
    name: str
    remote: int | str
    pod: Callable[[], str]
    url: str = ""
    had: str = ""
    """Where this machine has it already."""


def of_stack(place: Place) -> list[Port]:
    """Every port, by number. Asks the cluster what there is."""
    kinds = {mariadb.NAME, redis.NAME, valkey.NAME, valkey.SENTINEL, app.NAME}
    pods = [each for each in _pods(place) if _kind(each) in kinds]
    found = {kind: sorted(_name(each) for each in pods if _kind(each) == kind) for kind in kinds}
    sessions = [
        Port(valkey.PORT + number, _session_name(number), valkey.PORT, _session(place, number))
        for number in range(len(found[valkey.NAME]))
    ]
    sentinels = [
        Port(valkey.SENTINEL_PORT + number, name, valkey.SENTINEL_PORT, _fixed(name))
        for number, name in enumerate(found[valkey.SENTINEL])
    ]
    lone = [
        Port(mariadb.PORT, "database", mariadb.PORT, _any(place, mariadb.NAME)),
        Port(redis.PORT + len(sessions), "cache", redis.PORT, _any(place, redis.NAME)),
    ]
    there = [each for each, kind in zip(lone, (mariadb.NAME, redis.NAME), strict=True) if found[kind]]
    web = list(_web(place, served=bool(found[app.NAME])))
    return sorted([*there, *sessions, *sentinels, *web], key=lambda each: each.local)


def _web(place: Place, *, served: bool) -> Iterator[Port]:
    """The pages; without a balancer, those of the application's servers."""
    found = pages.of_stack(place)
    for each in found:
        spec = each.service["spec"]
        selector = ",".join(f"{key}={value}" for key, value in spec["selector"].items())
        port = spec["ports"][0]
        yield Port(
            each.page.port,
            each.page.name,
            port.get("targetPort", port["port"]),
            _selected(place, selector, each.page.name),
            each.page.url(),
            each.url or "",
        )
    if not found and served:
        for name, number in (("site", app.SITE_PORT), ("admin", app.ADMIN_PORT)):
            yield Port(number, name, number, _any(place, app.NAME), f"http://127.0.0.1:{number}")


def _session_name(number: int) -> str:
    return "sessions, the primary" if number == 0 else f"sessions, replica {number}"


def _session(place: Place, number: int) -> Callable[[], str]:
    def pod() -> str:
        primary = _primary(place)
        others = [name for each in _pods(place, valkey.NAME) if (name := _name(each)) != primary]
        every = [primary, *sorted(others)]
        if number >= len(every):
            raise UserError(f"No pod is replica {number} of the session set now", _UP.format(place.stack))
        return every[number]

    return pod


def _primary(place: Place) -> str:
    """The pod that the agents name: most of them, since one that was cut off may be behind."""
    votes: list[str] = []
    for pod in _pods(place, valkey.NAME):
        with suppress(UserError):
            told = place.kube.ask_pod(_name(pod), place.namespace, valkey.AGENT_PORT, "member")
            if told.get("named"):
                votes.append(str(told["named"]))
    if not votes:
        raise UserError("No agent of the session set knows a primary now", _UP.format(place.stack))
    return max(votes, key=votes.count)


def _fixed(name: str) -> Callable[[], str]:
    return lambda: name


def _any(place: Place, kind: str) -> Callable[[], str]:
    return _selected(place, f"app.kubernetes.io/name={kind}", kind)


def _selected(place: Place, selector: str, what: str) -> Callable[[], str]:
    def pod() -> str:
        for each in _running(place.kube.list("v1", "Pod", place.namespace, labels=selector)):
            if _ready(each):
                return _name(each)
        raise UserError(f"No pod of {what} is ready in {place}", _UP.format(place.stack))

    return pod


def _pods(place: Place, kind: str = "") -> list[Object]:
    labels = f"app.kubernetes.io/name={kind}" if kind else None
    return _running(place.kube.list("v1", "Pod", place.namespace, labels=labels))


def _running(pods: list[Object]) -> list[Object]:
    return [
        each
        for each in pods
        if each["status"].get("phase") == "Running" and not each["metadata"].get("deletionTimestamp")
    ]


def _ready(pod: Object) -> bool:
    conditions: list[Object] = pod["status"].get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _kind(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get("app.kubernetes.io/name", ""))


def _name(pod: Object) -> str:
    return str(pod["metadata"]["name"])
