"""What a drill does to the set: one function for each event."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from filewallball.drill import limits
from filewallball.drill.limits import Limits
from filewallball.drill.load.recording import Probe
from filewallball.drill.lone import LoneProbe
from filewallball.drill.members import Set, waiting
from filewallball.drill.rolls import Rolls
from filewallball.errors import UserError

Direction = Literal["both", "in", "out", "closed"]

TAKEN_OVER_SECONDS = 30.0
"""The round has failed if the set needs longer to have another primary."""
FROZEN_AFTERWARDS = 1.5
"""How many seconds a frozen primary stays frozen after another one has taken over. It wakes up with old work.
"""
CUT_SECONDS: dict[Direction, float] = {"both": 8.0, "in": 11.5, "out": 11.5}
"""How long a cut lasts, by its direction. A primary that is alone is watched until it should have stopped
taking writes long ago.
"""
BUSY_SECONDS = 30.0
"""How long the machine is kept busy; 20 rounds of it are ten minutes."""
STEADY = 0.8
"""Writes flow again when the last second had this share of the rate that is asked for."""


class Faults(Protocol):
    """What is used of `filewallball.sandbox.faults.Faults`; each returns when it took effect."""

    def kill(self, namespace: str, pod: str, container: str = "valkey") -> float: ...
    def stop(self, namespace: str, pod: str, container: str = "valkey") -> float: ...
    def resume(self, namespace: str, pod: str, container: str = "valkey") -> float: ...
    def kill_pods(self, namespace: str, pods: Sequence[str]) -> float: ...
    def cut(self, namespace: str, pod: str, direction: Direction) -> float: ...
    def heal(self, namespace: str, pod: str) -> float: ...
    def heal_all(self, namespace: str) -> float: ...
    def close(self) -> None: ...
    def run_inside(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, timeout: float
    ) -> Any: ...


@dataclass
class Scene:
    """A round in which everything is well, and what can be done to it."""

    set: Set
    primary: str
    number: int
    progress: Callable[[], dict[str, Any]]
    rate: float
    rolls: Rolls
    faults: Faults | None
    password: str = ""
    """The applications' one, for probes from the inside."""
    authority: str = ""
    """The certificate that servers are known by, in PEM form. Empty: connections are plain."""
    at: float = 0.0
    """When the event took effect: wall clock, seconds."""
    restarted: list[str] = field(default_factory=list[str])
    """Servers that must come back as new processes."""
    lone: list[Probe] = field(default_factory=list[Probe])
    """Probes of the cut-off primary from inside, in wall-clock time."""
    note: str = ""

    @property
    def nodes(self) -> Faults:
        if self.faults is None:
            raise UserError(
                "This event needs a sandbox",
                "Choose another one: `fwb drill valkey STACK --list` shows which need none.",
            )
        return self.faults

    @property
    def namespace(self) -> str:
        return self.set.place.namespace

    def wait_for_successor(self) -> None:
        """Wait until another member takes the clients' writes, at the pace that they want."""

        def reason() -> str:
            seen = self.progress()
            others = [member for member in seen["accepting"] if member != self.primary]
            if others and seen["acked_last_second"] >= STEADY * self.rate / 2:
                return ""
            return f"{', '.join(others) or 'no other member'} accepts writes; {seen['why'] or 'it is whole'}"

        waiting(reason, TAKEN_OVER_SECONDS, f"no one has taken over from {self.primary}")


def _pod_deleted(scene: Scene) -> None:
    scene.at = time.time()
    scene.set.delete([scene.primary])
    scene.restarted = [scene.primary]


def _pod_deleted_sentinels_frozen(scene: Scene) -> None:
    names = list(scene.set.sentinels)
    frozen = names[len(names) // 2 + 1 :]  # a majority works on
    try:
        for name in frozen:
            scene.nodes.stop(scene.namespace, name, "sentinel")
        _pod_deleted(scene)
        scene.wait_for_successor()
    finally:
        for name in frozen:
            scene.nodes.resume(scene.namespace, name, "sentinel")


def _process_killed(scene: Scene) -> None:
    scene.at = scene.nodes.kill(scene.namespace, scene.primary)
    scene.restarted = [scene.primary]


def _process_frozen(scene: Scene) -> None:
    scene.at = scene.nodes.stop(scene.namespace, scene.primary)
    try:
        scene.wait_for_successor()
        time.sleep(FROZEN_AFTERWARDS)
    finally:
        scene.nodes.resume(scene.namespace, scene.primary)


def _cut(direction: Direction) -> Callable[[Scene], None]:
    def cut(scene: Scene) -> None:
        length = CUT_SECONDS[direction]
        with LoneProbe(
            scene.nodes, scene.set, scene.primary, scene.password, length + 5, scene.authority
        ) as probe:
            scene.at = scene.nodes.cut(scene.namespace, scene.primary, direction)
            try:
                scene.wait_for_successor()
                time.sleep(max(0.0, scene.at + length - time.time()))
            finally:
                scene.nodes.heal(scene.namespace, scene.primary)
        scene.lone = probe.samples

    return cut


def _two_sentinels_and_primary(scene: Scene) -> None:
    names = list(scene.set.sentinels)
    first = 2 * scene.number % len(names)  # others each time
    victims = [scene.primary, names[first], names[(first + 1) % len(names)]]
    scene.at = scene.nodes.kill_pods(scene.namespace, victims)
    scene.restarted = victims


def _all_pods(scene: Scene) -> None:
    scene.at = scene.nodes.kill_pods(scene.namespace, scene.set.everything)
    # Anew, lest one that ends again has to wait: not what a node's start is like.
    scene.set.delete(scene.set.everything, grace=1)
    scene.restarted = scene.set.everything


def _machine_busy(scene: Scene) -> None:
    """Twice as many busy programs as processors; each ends by itself."""
    busy = "import sys, time\nend = time.time() + float(sys.argv[1])\nwhile time.time() < end: pass"
    command = [sys.executable, "-c", busy, str(BUSY_SECONDS)]
    _ = scene.nodes  # raises where the servers run on another machine than this one
    scene.at = time.time()
    programs: list[subprocess.Popen[bytes]] = []
    try:
        while len(programs) < 2 * (os.cpu_count() or 1):
            programs.append(subprocess.Popen(command, start_new_session=True))  # a Ctrl-C is for us
        for program in programs:
            program.wait()
    finally:
        for program in programs:
            program.kill()
            program.wait()


def _rolling_config(scene: Scene) -> None:
    scene.at = time.time()
    scene.note = scene.rolls.roll("config")
    scene.restarted = scene.set.everything


def _rolling_image(scene: Scene) -> None:
    scene.at = time.time()
    scene.note = scene.rolls.roll("image")
    scene.restarted = scene.set.everything


@dataclass(frozen=True)
class Event:
    """An event by name. `whole_within`: seconds until the set must be whole again."""

    name: str
    what: str
    inject: Callable[[Scene], None]
    limits: Limits
    on_nodes: bool = True
    """It is done to a node's processes or network, which only a sandbox lets us do."""
    lone: bool = False
    """The old primary lives on by itself."""
    whole_within: float = 90.0
    saved_first: bool = False
    """There should be a save before it, for the loss to be held against."""


EVENTS = (
    Event("pod-deleted", "the primary's pod is deleted", _pod_deleted, limits.PLANNED, on_nodes=False),
    Event(
        "pod-deleted-sentinels-frozen", "the primary's pod is deleted while a minority of Sentinels hangs",
        _pod_deleted_sentinels_frozen, limits.PLANNED,
    ),
    Event(
        "rolling-config", "the configuration changes, all pods roll", _rolling_config, limits.PLANNED,
        on_nodes=False,
    ),
    Event(
        "rolling-image", "the image changes, all pods roll", _rolling_image, limits.PLANNED, on_nodes=False
    ),
    Event("process-killed", "the primary's process gets SIGKILL", _process_killed, limits.FAILED),
    Event("two-sentinels-and-primary", "two Sentinels and the primary get SIGKILL at once",
          _two_sentinels_and_primary, limits.FAILED),
    Event("process-frozen", "the primary gets SIGSTOP, and goes on later", _process_frozen, limits.FAILED,
          lone=True),
    Event("network-cut", "the primary's network is cut off", _cut("both"), limits.FAILED, lone=True),
    Event("network-cut-in", "nothing reaches the primary, but it can send", _cut("in"), limits.ONE_WAY,
          lone=True),
    Event("network-cut-out", "the primary can't send, but hears", _cut("out"), limits.ONE_WAY, lone=True),
    Event("all-pods", "every container of every pod gets SIGKILL at once", _all_pods, limits.ALL_AT_ONCE,
          whole_within=120.0, saved_first=True),
    Event("machine-busy", "all processors are taken by other programs", _machine_busy, limits.BUSY),
)  # fmt: skip
BY_NAME = {event.name: event for event in EVENTS}
