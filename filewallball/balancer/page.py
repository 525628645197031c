"""/upstream_status: the state of the servers, as JSON for machines and as a page for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from facts.balancer import FAIL_TIMEOUT, MAX_FAILS
from filewallball.balancer.peers import RECENT_SECONDS, Group, Peer, Upstreams

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_STATES = {
    "up": "gets requests",
    "failing": "gets requests; the last ones failed",
    "down": "gets no requests",
    "retry": "gets the next request",
    "backup": "gets requests: all servers fail, so nginx counts nothing more",
}


@dataclass(frozen=True)
class Balancer:
    """`name`: the pod. `since`: when it began to count, in seconds since the epoch."""

    name: str
    since: float


def document(balancer: Balancer, upstreams: Upstreams, now: float) -> dict[str, Any]:
    """All that is known. Times are seconds, or UTC in ISO 8601."""
    return {
        "balancer": balancer.name,
        "time": _utc(now),
        "counting_since": _utc(balancer.since),
        "max_fails": MAX_FAILS,
        "fail_timeout_seconds": FAIL_TIMEOUT,
        "upstreams": {group.name: _group(group, now) for group in upstreams.groups},
    }


def _group(group: Group, now: float) -> dict[str, Any]:
    all_down = group.all_down(now)
    every = sum(peer.lately(now) for peer in group.peers)
    return {
        "all_down": all_down,
        "servers": [_server(peer, now, every, all_down=all_down) for peer in group.peers],
    }


def _server(peer: Peer, now: float, every: int, *, all_down: bool) -> dict[str, Any]:
    state, retry_at, lately = peer.state(now, all_down=all_down), peer.retry_at(), peer.lately(now)
    waiting = retry_at is not None and peer.left_out(now)
    return {
        "name": peer.server.name,
        "address": peer.address,
        "state": state,
        "gets_requests": state != "down",
        "fails": peer.fails,
        "retry_at": _utc(retry_at) if retry_at is not None and waiting else None,
        "retry_in_seconds": round(max(0.0, retry_at - now), 1) if retry_at is not None and waiting else None,
        "last_failure": _utc(peer.accessed) if peer.accessed else None,
        "last_failure_reason": peer.reason or None,
        "requests": peer.requests,
        "failures": peer.failures,
        "requests_last_minute": lately,
        "share_last_minute": round(lately / every, 3) if every else None,
        "answers": dict(sorted(peer.answers.items())),
        "seconds": _times(sorted(peer.times)),
    }


def _times(times: Sequence[float]) -> Mapping[str, float] | None:
    """Of the last 1,000 requests: until an answer was whole."""
    if not times:
        return None
    found = {name: times[min(len(times) - 1, len(times) * part // 100)] for name, part in _PARTS.items()}
    return {name: round(value, 3) for name, value in found.items()}


_PARTS = {"p50": 50, "p95": 95, "p99": 99, "max": 100}


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def as_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=2) + "\n"


def as_html(found: Mapping[str, Any]) -> str:
    """The page. It loads itself again every two seconds."""
    groups = "".join(_table(name, group) for name, group in found["upstreams"].items())
    return _PAGE.substitute(
        balancer=escape(found["balancer"]),
        time=found["time"],
        since=found["counting_since"],
        fails=found["max_fails"],
        timeout=found["fail_timeout_seconds"],
        groups=groups,
        minute=RECENT_SECONDS,
    )


def _table(name: str, group: Mapping[str, Any]) -> str:
    rows = "".join(_row(server) for server in group["servers"])
    head = "".join(f"<th>{title}</th>" for title in _COLUMNS)
    return f"<h2>{escape(name)}</h2><div><table><tr>{head}</tr>{rows}</table></div>"


_COLUMNS = (
    "Server", "State", "Fails", "Tried again in", "Requests", "Last minute", "Failures", "p50", "p99",
    "Last failure",
)  # fmt: skip


def _row(server: Mapping[str, Any]) -> str:
    state = server["state"]
    share, times, wait = server["share_last_minute"], server["seconds"], server["retry_in_seconds"]
    failure = " ".join(part for part in (server["last_failure"], server["last_failure_reason"]) if part)
    cells = [
        f"<b>{escape(server['name'])}</b><br><small>{escape(server['address'])}</small>",
        f'<span class="{state}">{state}</span><br><small>{_STATES[state]}</small>',
        str(server["fails"]),
        "" if wait is None else f"{wait:.0f} s",
        str(server["requests"]),
        f"{server['requests_last_minute']}" + ("" if share is None else f" ({share:.0%})"),
        str(server["failures"]),
        "" if times is None else f"{times['p50'] * 1000:.0f} ms",
        "" if times is None else f"{times['p99'] * 1000:.0f} ms",
        f"<small>{escape(failure)}</small>",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
