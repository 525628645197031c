"""Made-up recordings and rounds for the tests of the balancer's drill."""

from __future__ import annotations

from typing import Any

from filewallball.drill.balancer.results import Round
from filewallball.drill.load.web.recording import Health, Passage, Recording, Sample, View

POD = "balancer-x"
SERVERS = ("app-0", "app-1", "app-2")


def sample(due: float, kind: str = "alive", took: float = 0.01, **changes: Any) -> Sample:
    given = {
        "kind": kind, "due": due, "sent": due, "done": due + took, "status": 200, "server": "app-0",
        "error": "", "right": True, "retry_after": False,
    }  # fmt: skip
    return Sample(**{**given, **changes})


def refused(due: float, *, again: bool, kind: str = "alive") -> Sample:
    """A connection that was refused, and what a second try brought."""
    return sample(
        due, kind, status=0, server="", error="refused", right=False, again=200 if again else 0,
        again_right=again, again_done=due + 2,
    )  # fmt: skip


def views(
    since: float,
    until: float,
    gets: tuple[str, ...] = SERVERS,
    pod: str = POD,
    busy: tuple[str, ...] = (),
    failing: tuple[str, ...] = (),
) -> list[View]:
    """A look each quarter of a second. `busy`, `failing`: where one request ends, or fails, in between."""
    count = round((until - since) * 4)

    def each(number: int, names: tuple[str, ...]) -> dict[str, int]:
        return {name: round(4 * since + number) if name in names else 0 for name in SERVERS}

    return [
        View(since + n / 4 - 0.01, since + n / 4, pod, gets, each(n, busy), each(n, failing))
        for n in range(count)
    ]


def passages(since: float, until: float, servers: tuple[str, ...] = SERVERS, pod: str = POD) -> list[Passage]:
    """Twenty a second, to each server in turn."""
    count = round((until - since) * 20)
    return [
        Passage(since + n / 20, since + n / 20 + 0.01, pod, servers[n % len(servers)]) for n in range(count)
    ]


def healthy(since: float, until: float, servers: tuple[str, ...] = SERVERS) -> list[Health]:
    count = round((until - since) * 4)
    return [Health(since + n / 4, name, True) for n in range(count) for name in servers]


def recording(samples: list[Sample], **changes: Any) -> Recording:
    seen = {"views": views(0, 30), "passages": passages(0, 30), "health": healthy(0, 30)}
    return Recording(0.0, 30.0, samples, **{"verified": True, "uploads": 5, **seen, **changes})


def a_round(event: str = "app-killed", number: int = 1, **changes: Any) -> Round:
    return Round(
        event,
        number,
        "2026-01-01T00:00:00+00:00",
        **{
            "requests": 7000, "rate": 220.0, "reads": 6000, "writes": 170, "p99_before": 0.02, "p50": 0.01,
            "p99": 0.1, "p999": 0.2, "slowest": 0.3, "uploads": 160, "by_server": {"app-0": 6000},
            "passages": 600, **changes,
        },
    )  # fmt: skip


ABOUT: dict[str, Any] = {
    "drill": "balancer",
    "stack": "dev",
    "namespace": "filewallball",
    "cluster": "somewhere",
    "began": "2026-01-01T00:00:00+00:00",
    "balancers": 2,
    "image": "docker.io/library/nginx:1.30",
    "servers": 3,
    "app_image": "filewallball/app:1",
    "silence_seconds": 5.0,
    "machine": "2 CPUs, Linux 6",
    "rate": 220.0,
}
