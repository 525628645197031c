"""The agent beside a member: keeps its server in the place that the Sentinels agree on.

It looks, decides (decide.py) and acts: twice a second while all is well, ten times a second while it isn't.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from redis.exceptions import RedisError

from facts.valkey import NAME
from filewallball.errors import UserError
from filewallball.guard.renewal import Renewal
from filewallball.valkey import peers as peer_agents
from filewallball.valkey.appoint import Appointments, Failed, Refused
from filewallball.valkey.decide import Step, decide
from filewallball.valkey.guards import Guards
from filewallball.valkey.layout import AGENT_PORT, Layout, Pod
from filewallball.valkey.member import Server, View
from filewallball.valkey.passwords import Passwords
from filewallball.valkey.sentinels import NotElected, Opinion, Panel, end_links

SETTLED_SECONDS = 0.5
UNSETTLED_SECONDS = 0.1
TICK_SECONDS = 1.0
TUNE_SECONDS = 2.0
"""How often Sentinels are looked at: one with a broken link takes a processor until its links are ended."""
HANDOVER_SECONDS = 12.0
"""How long a stopping primary looks for a successor; release.sh waits a little longer."""
ALONE_SECONDS = 2.0
"""The same where no other server is up at all: the whole set is being stopped."""
RETRY_SECONDS = 1.0
GUARDED_SECONDS = 1.0


class Agent:
    """`run` works until `stop` is called, and then hands the primary's place over if this member has it."""

    def __init__(self, layout: Layout, agent_port: int = AGENT_PORT) -> None:
        self._layout = layout
        self._port = agent_port
        self._panel = Panel(layout)
        self._servers = {pod.name: Server(layout, pod) for pod in layout.members}
        self._server = self._servers[layout.me.name]
        self._appointments = Appointments(layout, self._panel, self._servers, self._say)
        self._guards = Guards(layout, self._say)
        self._renewal = self._renewing(layout)
        self._passwords = Passwords(layout, self._server, self._panel, self._say)
        self._pool = ThreadPoolExecutor(max(1, len(layout.peers)), "peers")
        self._stopping = threading.Event()
        self._view = View(layout.me.name, "down")
        self._named: Opinion | None = None
        self._step = Step("stay", why="just started")
        self._said = ""
        self._settled_at = self._leading_since = time.monotonic()
        self._ticked_at = self._tuned_at = self._looked_at = 0.0
        self._highest = 0
        self._stale = False
        self._uptime = 0

    def _renewing(self, layout: Layout) -> Renewal | None:
        """What has the own server load a renewed certificate, if it has one."""
        return Renewal(NAME, layout.tls, self._server.call, self._say) if layout.tls else None

    def stop(self) -> None:
        self._stopping.set()

    def state(self) -> dict[str, object]:
        """What peers and probes are told. `ready`: it has its place; `idle`: seconds since it looked."""
        named = self._named
        # Without Sentinels nothing changes: what is in its place stays ready.
        in_place = self._view.role == "primary" or self._view.linked
        return {
            "member": self._view.as_dict(),
            "ready": self._view.open and (self._step.do == "serve" or (named is None and in_place)),
            "why": self._step.why,
            "named": named.primary.name if named else None,
            "epoch": named.epoch if named else None,
            "idle": time.monotonic() - self._looked_at,
        }

    def run(self) -> None:
        released = self._layout.run / "released"
        released.unlink(missing_ok=True)
        self._guards.start()
        self._passwords.start()
        while not self._stopping.is_set():
            settled = self._turn()
            self._stopping.wait(SETTLED_SECONDS if settled else UNSETTLED_SECONDS)
        try:
            self._leave()
        finally:
            self._guards.stop()
            self._passwords.stop()
            released.touch()

    def _turn(self) -> bool:
        """Look, decide, act. Returns whether this member has its place."""
        self._look()
        now = time.monotonic()
        if self._named is None or self._view.role == "loading":
            self._settled_at = now  # nothing could be decided, so nobody has been waited for yet
        needs_peers = (
            self._step.do != "serve"
            or self._view.role == "primary"
            or (self._named is not None and self._named.down)
        )
        peers = self._ask_peers() if needs_peers else {}
        step = self._decide(peers)
        if step.do == "appoint":
            # What the agents told is up to half a second old: decide by what the servers say now.
            step = self._decide(self._look_at(peers))
        if step.do != "serve" and not needs_peers:
            step = Step("stay", why=step.why)  # decided without the peers' word: look again, with it
        self._step = step
        self._explain(step)
        try:
            self._act(step)
        except (NotElected, Failed) as error:
            self._say(str(error))
            self._stopping.wait(RETRY_SECONDS)
        except (RedisError, OSError) as error:
            self._say(f"{step.do} {step.who}: {error}")
        if step.do == "serve":
            self._settled_at = time.monotonic()
        return step.do == "serve"

    def _decide(self, peers: Mapping[str, View | None]) -> Step:
        now = time.monotonic()
        return decide(
            self._view,
            self._named,
            peers,
            unsettled=now - self._settled_at,
            leading=now - self._leading_since if self._view.role in ("primary", "stuck") else 0,
        )

    def _look(self) -> None:
        before = self._view.role
        self._named = self._panel.opinion()
        self._view = self._server.view()
        self._looked_at = now = time.monotonic()
        # A server that freezes as a primary wakes as one.
        if self._view.role == "primary" and before not in ("primary", "stuck"):
            self._leading_since = now
        if now - self._tuned_at > TUNE_SECONDS:
            self._panel.tune()
            self._tuned_at = now
            self._mend_links()
            self._switch_append_only()
            self._renew()

    def _mend_links(self) -> None:
        for sentinel in self._panel.spinning():
            self._say(f"{sentinel.name} spins on a broken link: ending its links")
            self._panel.end_links(sentinel)
            for server in self._servers.values():
                with suppress(RedisError, OSError):
                    end_links(server.call, sentinel)

    def _switch_append_only(self) -> None:
        """Sessions go on meanwhile: a disk that refuses the file is for the checks to tell."""
        if self._step.do == "serve":
            try:
                self._server.set_append_only()
            except (RedisError, OSError) as error:
                self._say(f"switching the append-only file: {error}")

    def _renew(self) -> None:
        if not self._renewal:
            return
        if self._view.uptime < self._uptime:
            self._renewal.forget()
        self._uptime = self._view.uptime
        if self._view.told:
            self._renewal.look()

    def _ask_peers(self) -> dict[str, View | None]:
        def ask(pod: Pod) -> View | None:
            return peer_agents.ask(pod, self._port)

        peers = self._layout.peers
        views = self._pool.map(ask, peers)
        return {pod.name: view for pod, view in zip(peers, views, strict=True)}

    def _look_at(self, peers: Mapping[str, View | None]) -> dict[str, View | None]:
        """What the peers' servers say themselves; of those that let nobody in, what their agents told."""

        def look(name: str) -> View | None:
            view = self._servers[name].view()
            return peers[name] if view.role in ("down", "stuck") else view

        return dict(zip(peers, self._pool.map(look, peers), strict=True))

    def _act(self, step: Step) -> None:
        if step.do == "serve":
            self._serve()
        elif step.do == "follow":
            if self._view.role in ("primary", "stuck"):
                # What it took alone is lost; until it is a copy again nobody may take it for a good replica.
                self._stale = True
                self._close()
            else:
                # A link whose first try is rejected may stay broken: see Panel.spinning.
                self._servers[step.who].call("PING")
            self._server.follow(self._layout.named(step.who))
        elif step.do == "close" or (self._stale and self._view.open):
            self._close()
        elif step.do == "appoint" and self._named:
            self._appoint(self._layout.named(step.who), self._named)

    def _appoint(self, target: Pod, named: Opinion) -> None:
        begun = time.monotonic()
        epoch = self._appointments.appoint(target, named, self._view.epoch)
        self._say(f"{target.name} leads in epoch {epoch}, {(time.monotonic() - begun) * 1000:.0f} ms")

    def _close(self) -> None:
        with suppress(RedisError, OSError):  # or at the next turn
            self._server.close()

    def _serve(self) -> None:
        self._stale = False
        if not self._view.open:
            self._guards.wait_inside(GUARDED_SECONDS)
            self._server.open()
            self._say("open")
        if self._view.role == "primary" and self._named:
            self._tick(self._named.epoch)

    def _tick(self, epoch: int) -> None:
        """Count another second of this primary; at once in a new epoch, to show that it takes writes."""
        now = time.monotonic()
        if now - self._ticked_at < TICK_SECONDS and self._view.epoch == epoch:
            return
        self._ticked_at = now
        self._highest = max(self._highest, self._view.tick) + 1  # should the clock ever be evicted
        with suppress(RedisError):  # without a replica it takes no writes, ours neither
            self._server.set_clock(epoch, self._highest)

    def _leave(self) -> None:
        begun = alone_since = time.monotonic()
        failed: set[str] = set()
        while time.monotonic() < min(begun + HANDOVER_SECONDS, alone_since + ALONE_SECONDS):
            self._look()
            if self._view.role not in ("primary", "stuck"):
                return
            if self._named and self._named.primary != self._layout.me:
                return
            peers = self._ask_peers()
            if any(view and view.role not in ("down", "stuck") for view in peers.values()):
                alone_since = time.monotonic()
            try:
                if self._named:
                    self._appointments.hand_over(self._named, peers, failed)
                    continue
            except Refused as error:
                self._say(f"no handover to {error.who}: {error.message}")
                failed.add(error.who)
                continue
            except (UserError, RedisError, OSError) as error:
                failed.clear()
                self._say(f"no handover yet: {error}")
            time.sleep(RETRY_SECONDS / 4)

    def _explain(self, step: Step) -> None:
        line = f"{self._view.role}: {step.do} {step.who}".rstrip() + f" ({step.why})"
        if line != self._said:
            self._say(line)
            self._said = line

    def _say(self, text: str) -> None:
        stamp = time.strftime("%H:%M:%S", time.gmtime())
        print(f"{stamp}.{int(time.time() * 1000) % 1000:03d} {self._layout.me.name} {text}", flush=True)


def layout_summary(layout: Layout) -> str:
    """One line about the set, for the log's head."""
    members: Mapping[str, str] = {pod.name: pod.host for pod in layout.members}
    return f"{layout.master}: members {members}, {len(layout.sentinels)} Sentinels, quorum {layout.quorum}"
