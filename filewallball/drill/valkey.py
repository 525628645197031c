"""`fwb drill valkey`: the drill of the session servers."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from facts.pods import password_key, secret_folder
from facts.tls import AUTHORITY, CA_PATH
from facts.valkey import CREDENTIALS
from facts.valkey import NAME as VALKEY_SERVERS
from filewallball.drill import summary, telling
from filewallball.drill.events import BY_NAME, EVENTS, Event
from filewallball.drill.limits import described
from filewallball.drill.load.round import Passwords
from filewallball.drill.members import Set
from filewallball.drill.pod import LoadPod, LoadWork
from filewallball.drill.results import Journal, Round
from filewallball.drill.rolls import Rolls, other_name
from filewallball.drill.runner import RATE, READ_RATE, WAIT_EVERY, WAITER_RATE, WAITERS, Drill
from filewallball.drill.tool import Tool
from filewallball.stack import Place

PASSWORDS = tuple(password_key(user) for user in Passwords._fields)


def _find(place: Place) -> Set:
    return Set.find(place)


def _about(set_: Set) -> dict[str, Any]:
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


def work(set_: Set) -> LoadWork:
    """The load's pod: a client of the set, with the passwords of all who look at it."""
    secret: dict[str, Any] = {
        "secretName": CREDENTIALS,
        "defaultMode": 0o440,
        "items": [{"key": key, "path": key} for key in PASSWORDS],
    }
    return LoadWork(
        "filewallball.drill.load",
        set_.image,
        set_.pull,
        (VALKEY_SERVERS,),
        {secret_folder(CREDENTIALS): {"name": "credentials", "secret": secret},
         # Only stacks with encrypted connections have it.
         CA_PATH: {"name": "ca", "configMap": {"name": AUTHORITY, "optional": True}}},
    )  # fmt: skip


def _bring_images(set_: Set, chosen: Sequence[Event]) -> None:
    """A sandbox pulls nothing: bring in the image that a rolling update is to find there."""
    if BY_NAME["rolling-image"] in chosen:
        from filewallball.sandbox import images

        images.ensure(str(set_.place.sandbox), [other_name(set_.server_image)])


def _rounds(set_: Set, load: LoadPod, faults: Any, journal: Journal[Round]) -> Drill:
    return Drill(set_, load, Rolls(set_.place, journal.path.parent), faults)


VALKEY: Tool[Set, Event, Round] = Tool(
    name="valkey",
    title="Drill of the Valkey session servers",
    folder="drill",
    breaks="the session servers",
    harm="a drill loses sessions on purpose",
    question="Sessions will be lost.",
    events=EVENTS,
    described=lambda event: described(event.limits),
    result=Round,
    find=_find,
    about=_about,
    work=work,
    bring=_bring_images,
    rounds=_rounds,
    line=telling.line,
    columns=summary.COLUMNS,
    summaries=summary.summaries,
    introduction=telling.introduction,
    legend=telling.LEGEND,
    axis="client outage in seconds (dots: rounds; bar: median; dashed: limit of the worst)",
)
