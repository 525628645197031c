"""What the balancer's drill does to the stack: one function for each event."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from facts.app import NAME as APP
from facts.balancer import NAME as BALANCER
from facts.mariadb import NAME as MARIADB
from facts.valkey import NAME as VALKEY
from filewallball.drill.balancer import changes, limits
from filewallball.drill.balancer.changes import Changes, Step
from filewallball.drill.balancer.front import NGINX, Front
from filewallball.drill.balancer.limits import Limits
from filewallball.drill.events import Faults
from filewallball.drill.members import waiting
from filewallball.errors import UserError

FROZEN_BEYOND_SECONDS = 3.0
"""A frozen server goes on so much later than nginx has given it up: then each request that it held has been
asked of another one."""
CLOSED_SECONDS = 6.0
ALL_FAIL_SECONDS = 1.0
AWAY_SECONDS = 8.0
"""How long there is no Redis."""
ROLLED_SECONDS = 300.0
GONE_SECONDS = 60.0
BACK_SECONDS = 180.0


@dataclass
class Scene:
    """A round in which everything is well, and what can be done to it."""

    front: Front
    number: int
    changes: Changes
    faults: Faults | None
    primary: Callable[[], str]
    """Asks who is the primary of the session servers."""
    soon: float
    """All is as before only when half of the users have their answers within so many seconds again."""
    at: float = 0.0
    """When the event took effect: wall clock, seconds."""
    until: float | None = None
    """When the fault was over, where that isn't when all is whole again."""
    note: str = ""

    @property
    def nodes(self) -> Faults:
        if self.faults is None:
            raise UserError(
                "This event needs a sandbox",
                "Choose another one: `fwb drill balancer STACK --list` shows which need none.",
            )
        return self.faults

    @property
    def server(self) -> str:
        """The server that this round is about: another one each time."""
        names = list(self.front.servers)
        return names[self.number % len(names)]

    @contextlib.contextmanager
    def lasting(self, seconds: float, heal: Callable[[], Any]) -> Generator[None]:
        """The fault that the block makes ends after so long, and in any case."""
        try:
            yield
            time.sleep(max(0.0, self.at + seconds - time.time()))
        finally:
            heal()
            self.until = time.time()

    def rolled(self, what: str, steps: Callable[[Front], Sequence[Step]]) -> None:
        """A rolling update there, or back again."""
        self.at = time.time()
        there = self.changes.turn(what, steps)
        self.note = f"{what} {'changed' if there else 'put back'}"
        waiting(self.front.not_ready, ROLLED_SECONDS, f"{what}: the pods haven't rolled")


def _pod_deleted(scene: Scene) -> None:
    scene.at = time.time()
    scene.front.delete(scene.server)


def _killed(scene: Scene) -> None:
    scene.at = scene.nodes.kill(scene.front.namespace, scene.server, APP)


def _frozen(scene: Scene) -> None:
    where = scene.front.namespace
    seconds = scene.front.silence_seconds + FROZEN_BEYOND_SECONDS
    with scene.lasting(seconds, lambda: scene.nodes.resume(where, scene.server, APP)):
        scene.at = scene.nodes.stop(where, scene.server, APP)


def _port_closed(scene: Scene) -> None:
    where = scene.front.namespace
    with scene.lasting(CLOSED_SECONDS, lambda: scene.nodes.heal(where, scene.server)):
        scene.at = scene.nodes.cut(where, scene.server, "closed")


def _all_fail(scene: Scene) -> None:
    where, servers = scene.front.namespace, list(scene.front.servers)

    def heal() -> None:
        for server in servers:
            scene.nodes.heal(where, server)

    with scene.lasting(ALL_FAIL_SECONDS, heal):
        for server in servers:
            scene.at = scene.nodes.cut(where, server, "closed")


def _rolling_app(scene: Scene) -> None:
    scene.rolled("application", changes.app_rolls)


def _rolling_config(scene: Scene) -> None:
    scene.rolled("configuration", changes.config_rolls)


def _rolling_image(scene: Scene) -> None:
    scene.rolled("image reference", changes.image_rolls)


def _balancer_killed(scene: Scene) -> None:
    found = scene.front.pods_of(BALANCER)
    pod = found[scene.number % len(found)]["metadata"]["name"]
    scene.at = scene.nodes.kill(scene.front.namespace, pod, NGINX)


def _session_failover(scene: Scene) -> None:
    primary = scene.primary()
    scene.at = scene.nodes.kill(scene.front.namespace, primary, VALKEY)
    scene.note = f"{primary} was primary"


def _redis_gone(scene: Scene) -> None:
    def back() -> None:
        if "Redis" in scene.changes.pending:
            scene.changes.turn("Redis", changes.redis_gone)

    scene.at = time.time()
    with scene.lasting(AWAY_SECONDS, back):
        scene.changes.turn("Redis", changes.redis_gone)


def _mariadb_restarted(scene: Scene) -> None:
    [pod] = scene.front.pods_of(MARIADB)
    scene.at = time.time()
    scene.front.delete(pod["metadata"]["name"])

    def gone() -> str:
        now = scene.front.get("v1", "Pod", pod["metadata"]["name"])
        same = now and now["metadata"]["uid"] == pod["metadata"]["uid"]
        return f"{pod['metadata']['name']} still runs" if same else ""

    waiting(gone, GONE_SECONDS, "the database hasn't stopped")
    waiting(scene.front.not_ready, BACK_SECONDS, "the database isn't back")
    scene.until = time.time()


@dataclass(frozen=True)
class Event:
    """An event by name. `whole_within`: seconds until all must be well again."""

    name: str
    what: str
    inject: Callable[[Scene], None]
    limits: Limits
    on_nodes: bool = True
    """It is done to a node's processes or network, which only a sandbox lets us do."""
    whole_within: float = 120.0


EVENTS = (
    Event("app-pod-deleted", "a pod of the application is deleted", _pod_deleted, limits.PLANNED,
          on_nodes=False),
    Event("app-killed", "the process of a server of the application gets SIGKILL", _killed,
          limits.NONE_FAILS),
    Event("app-frozen", "a server of the application gets SIGSTOP, and goes on"
          f" {FROZEN_BEYOND_SECONDS:g} s after nginx gives it up", _frozen, limits.FROZEN),
    Event("app-port-closed", f"the ports of a server of the application are closed for {CLOSED_SECONDS:g} s",
          _port_closed, limits.NONE_FAILS),
    Event("app-all-fail", f"the ports of all servers are closed for {ALL_FAIL_SECONDS:g} s", _all_fail,
          limits.ALL_GONE),
    Event("rolling-app", "all pods of the application are replaced, one by one", _rolling_app,
          limits.PLANNED, on_nodes=False),
    Event("rolling-balancer-config", "nginx gets another configuration", _rolling_config, limits.PLANNED,
          on_nodes=False),
    Event("rolling-balancer-image", "nginx gets another image", _rolling_image, limits.PLANNED,
          on_nodes=False),
    Event("balancer-killed", "nginx gets SIGKILL in one pod", _balancer_killed, limits.BALANCER_GONE),
    Event("session-failover", "the process of the session servers' primary gets SIGKILL",
          _session_failover, limits.NONE_FAILS),
    Event("redis-gone", f"no Redis runs for {AWAY_SECONDS:g} s", _redis_gone, limits.NONE_FAILS,
          on_nodes=False),
    Event("mariadb-restarted", "the pod of MariaDB is deleted", _mariadb_restarted, limits.DATABASE_GONE,
          on_nodes=False, whole_within=180.0),
)  # fmt: skip
BY_NAME = {event.name: event for event in EVENTS}
