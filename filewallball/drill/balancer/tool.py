"""`fwb drill balancer`: the drill of the balancer and of what stands behind it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from facts import balancer
from facts.app import NAME as APP
from facts.valkey import NAME as VALKEY_SERVERS
from filewallball.drill import valkey
from filewallball.drill.balancer import summary
from filewallball.drill.balancer.changes import Changes
from filewallball.drill.balancer.events import BY_NAME, EVENTS, Event
from filewallball.drill.balancer.front import Front
from filewallball.drill.balancer.limits import described
from filewallball.drill.balancer.results import Round
from filewallball.drill.balancer.runner import RATE, Drill
from filewallball.drill.pod import LoadPod, LoadWork
from filewallball.drill.results import Journal
from filewallball.drill.rolls import other_name
from filewallball.drill.tool import Tool
from filewallball.stack import Place


def _find(place: Place) -> Front:
    return Front.find(place)


def _about(front: Front) -> dict[str, Any]:
    place = front.place
    return {
        "stack": place.stack,
        "namespace": place.namespace,
        "cluster": place.kube.context,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "balancers": front.balancers,
        "image": front.image,
        "servers": len(front.servers),
        "app_image": front.app_image,
        "silence_seconds": front.silence_seconds,
        "machine": f"{os.cpu_count()} CPUs, Linux {platform.release()}",
        "rate": RATE,
    }


def work(front: Front) -> LoadWork:
    """The load's pod: a user of the site, who also asks each pod of the balancer and each server."""
    sessions = valkey.work(front.sessions)
    return LoadWork(
        "filewallball.drill.load.web",
        sessions.image,
        sessions.pull,
        (balancer.NAME, balancer.STATUS, APP, VALKEY_SERVERS),
        sessions.mounts,
    )


def _bring_images(front: Front, chosen: Sequence[Event]) -> None:
    """A sandbox pulls nothing: bring in the image that a rolling update is to find there."""
    if BY_NAME["rolling-balancer-image"] in chosen:
        from filewallball.sandbox import images

        images.ensure(str(front.place.sandbox), [other_name(front.image)])


def _rounds(front: Front, load: LoadPod, faults: Any, journal: Journal[Round]) -> Drill:
    return Drill(front, load, Changes(front, journal.path.parent), faults)


BALANCER: Tool[Front, Event, Round] = Tool(
    name="balancer",
    title="Drill of the balancer",
    folder="drill-balancer",
    breaks="the application, its servers and the balancer",
    harm="a drill makes its servers fail on purpose",
    question="Requests will fail.",
    events=EVENTS,
    described=lambda event: described(event.limits),
    result=Round,
    find=_find,
    about=_about,
    work=work,
    bring=_bring_images,
    rounds=_rounds,
    line=summary.line,
    columns=summary.COLUMNS,
    summaries=summary.summaries,
    introduction=summary.introduction,
    legend=summary.LEGEND,
    axis="slowest request of a round in seconds (dots: rounds; bar: median; dashed: limit)",
)
