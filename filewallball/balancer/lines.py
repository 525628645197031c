"""What nginx sends to its neighbour: lines of the access log in the format `tries`, and the error log."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from facts.balancer import TAG, TRIES_MARK
from filewallball.balancer.peers import Try

_DISABLED = "upstream server temporarily disabled"
_UPSTREAM = re.compile(r'upstream: "https?://(?P<address>\[[0-9a-f:.]+\]:\d+|[^/"\[]+)')
_HEAD = re.compile(r"^\S+ \S+ \[\w+\] [\d#]+: (?:\*\d+ )?")
_TIME, _TIME_LENGTH = "%Y/%m/%d %H:%M:%S", 19
_BETWEEN = re.compile(r", | : ")
"""Between tries, and between the groups of servers that a request was given to."""


@dataclass(frozen=True)
class Told:
    """A line of the error log about a server: what happened, and whether nginx leaves the server out.

    `at`: when, by nginx's clock and this process's time zone, in whole seconds since the epoch; None:
    not told.
    """

    address: str
    text: str
    disabled: bool
    at: int | None = None


def text_of(datagram: bytes) -> str:
    """The text behind syslog's head."""
    return datagram.decode("utf-8", "replace").partition(f" {TAG}: ")[2]


def tries(text: str) -> list[Try] | None:
    """The tries of a request, in order; None: not a line of the access log.

    nginx counts a try against the server if no head of an answer came, or if it asked another server
    because of the answer's status. A client that went away is nobody's fault.
    """
    if not text.startswith(TRIES_MARK):
        return None
    fields = text.removeprefix(TRIES_MARK).split("|")
    if len(fields) != 5:
        return []
    addresses, statuses, heads, times = (_BETWEEN.split(each) for each in fields[1:])
    if not len(addresses) == len(statuses) == len(heads) == len(times):
        return []
    spent = [_seconds(each) for each in times]
    end = float(fields[0]) - sum(spent)
    found: list[Try] = []
    for place, address in enumerate(addresses):
        start, end = end, end + spent[place]
        answered = heads[place] != "-"
        last = place == len(addresses) - 1
        failed = statuses[place] != "-" and (not answered or not last)
        found.append(Try(address, start, end, statuses[place], answered, failed))
    return found


def told(text: str) -> Told | None:
    """What a line of the error log says of a server; None where it speaks of none."""
    found = _UPSTREAM.search(text)
    if not found:
        return None
    what = _HEAD.sub("", text).partition(" while ")[0]
    return Told(found["address"], what, what.startswith(_DISABLED), _moment(text))


def _moment(text: str) -> int | None:
    """When nginx wrote the line."""
    try:
        return int(datetime.strptime(text[:_TIME_LENGTH], _TIME).timestamp())
    except ValueError:
        return None


def _seconds(text: str) -> float:
    return 0.0 if text == "-" else float(text)
