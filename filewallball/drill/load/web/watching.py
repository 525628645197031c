"""What is watched beside the users: which servers answer, where each pod of the balancer says that it sends
requests, and where it sends them.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from facts.balancer import SITE, STATUS_PATH
from filewallball.drill.load.web.connections import Answer, Connections
from filewallball.drill.load.web.recording import Health, Passage, Plan, View

LOOK_SECONDS = 0.25
"""Between two looks at a pod's status, and at a server's health."""
PASS_SECONDS = 0.05
"""Between two requests that are sent to a pod of the balancer to see where they go."""
FIND_SECONDS = 0.5
"""Between two questions for the addresses of the balancer's pods."""
ANSWER_SECONDS = 2.0
"""An answer that takes longer tells nothing."""
PASSAGE_PATH = "/healthz"

Job = Coroutine[Any, Any, None]


class Watch:
    """All of it, until told to stop."""

    def __init__(self, plan: Plan) -> None:
        self.views: list[View] = []
        self.passages: list[Passage] = []
        self.health: list[Health] = []
        self._plan = plan
        self._host = urlsplit(plan.url).netloc
        self._scheme = urlsplit(plan.url).scheme
        self._pods: dict[str, asyncio.Task[None]] = {}

    async def run(self, stop: asyncio.Event) -> None:
        servers = [asyncio.create_task(self._ask_server(name, stop)) for name in self._plan.servers]
        while not await _stopped(stop, FIND_SECONDS):
            for address in set(await self._addresses()) - self._pods.keys():
                self._pods[address] = asyncio.create_task(self._watch_pod(address, stop))
            self._pods = {address: task for address, task in self._pods.items() if not task.done()}
        await asyncio.gather(*servers, *self._pods.values())

    async def _addresses(self) -> list[str]:
        name, port, _ = self._plan.pods
        try:
            found = await asyncio.get_running_loop().getaddrinfo(name, port, type=1)
        except OSError:
            return []
        return [str(each[4][0]) for each in found]

    async def _watch_pod(self, address: str, stop: asyncio.Event) -> None:
        """Its status and its passages, until the pod is gone for good."""
        _, status, site = self._plan.pods
        gone = asyncio.Event()
        pod = _Pod()

        def left(answer: Answer) -> None:
            """A pod whose address nobody has any more doesn't answer; one that starts again refuses."""
            if answer.error not in ("", "refused", "reset"):
                gone.set()

        async def look(connections: Connections) -> None:
            asked = time.monotonic()
            answer = await connections.send("GET", f"{STATUS_PATH}?format=json", within=ANSWER_SECONDS)
            left(answer)
            if answer.status == 200:
                view = _told(asked, answer.body)
                pod.name = view.balancer
                self.views.append(view)

        async def send(connections: Connections) -> None:
            sent = time.monotonic()
            answer = await connections.send(
                "GET", PASSAGE_PATH, headers={"host": self._host}, within=4 * ANSWER_SECONDS
            )
            if answer.server and pod.name:
                self.passages.append(Passage(sent, time.monotonic(), pod.name, answer.server))

        await asyncio.gather(
            _repeat(look, Connections(f"http://{_bracketed(address)}:{status}"), LOOK_SECONDS, stop, gone),
            _repeat(
                send, Connections(f"{self._scheme}://{_bracketed(address)}:{site}"), PASS_SECONDS, stop, gone
            ),
        )

    async def _ask_server(self, name: str, stop: asyncio.Event) -> None:
        host, port = self._plan.servers[name]

        async def ask(connections: Connections) -> None:
            answer = await connections.send("GET", PASSAGE_PATH, within=ANSWER_SECONDS)
            self.health.append(Health(time.monotonic(), name, answer.status == 200))

        await _repeat(ask, Connections(f"http://{_bracketed(host)}:{port}"), LOOK_SECONDS, stop)


class _Pod:
    """A pod of the balancer, by its own word."""

    name = ""


async def _repeat(
    what: Callable[[Connections], Job], connections: Connections, pause: float, *until: asyncio.Event
) -> None:
    """At a pace of its own, not waiting for answers, until one of the events is there."""
    under_way: set[asyncio.Task[None]] = set()
    while not any(each.is_set() for each in until):
        task = asyncio.create_task(what(connections))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await _stopped(until[0], pause)
    await asyncio.gather(*under_way)
    await connections.close()


async def _stopped(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _told(asked: float, body: bytes) -> View:
    """What a pod has just said of the servers of the site."""
    found = json.loads(body)
    servers = found["upstreams"][SITE]["servers"]
    return View(
        asked,
        time.monotonic(),
        str(found["balancer"]),
        tuple(str(each["name"]) for each in servers if each["gets_requests"]),
        {str(each["name"]): int(each["requests"]) for each in servers},
        {str(each["name"]): int(each["failures"]) for each in servers},
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
