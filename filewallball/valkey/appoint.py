"""Putting a primary in its place: the freshest after a loss, a caught-up replica before a planned stop.

Both are elected first (sentinels.Panel.elect) and announced last; Sentinels follow, and clients follow them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress

from redis.exceptions import RedisError

from filewallball.errors import UserError
from filewallball.valkey.layout import Layout, Pod
from filewallball.valkey.member import Server, View, wait_until
from filewallball.valkey.sentinels import Opinion, Panel, agree

PAUSE_SECONDS = 8.0
"""How long writes wait at most while the primary's place is handed over, should its agent die meanwhile."""
CAUGHT_UP_SECONDS = 1.0
ATTACHED_SECONDS = 0.5
RELIEVED_SECONDS = 5.0
"""How long a primary that has handed over stays, at most, until the new one has another replica."""
RELIEVED_EVERY = 0.05
"""Seconds between two looks for that."""
STEP_DOWN_TRIES = 4

Say = Callable[[str], None]


class Failed(UserError):
    """The place could not be filled; everything is as it was, and may be tried again."""


class Refused(Failed):
    """The replica `who` can't take over; another may."""

    def __init__(self, who: str, why: str) -> None:
        super().__init__(f"{who} {why}")
        self.who = who


class Appointments:
    """What a member's agent does in the Sentinels' name."""

    def __init__(self, layout: Layout, panel: Panel, servers: Mapping[str, Server], say: Say) -> None:
        self._layout = layout
        self._panel = panel
        self._servers = servers
        self._say = say
        self._pool = ThreadPoolExecutor(max(1, len(layout.members)), "followers")

    def appoint(self, target: Pod, named: Opinion, newest: int) -> int:
        """Make `target` the primary of a new epoch, above `newest` and what Sentinels know; return it.

        Raises NotElected or Failed.
        """
        server = self._servers[target.name]
        self._reach(server)  # before the election: a vote keeps the Sentinels from acting for a while
        epoch = self._panel.elect(self._layout.me.identity, named, max(named.epoch, newest))
        try:
            server.lead()
            if target == self._layout.me:
                server.open()
        except (RedisError, OSError) as error:
            raise Failed(f"{target.name} was elected for epoch {epoch} but can't lead: {error}") from error
        if not agree(self._panel, target, epoch):
            raise Failed(f"too few Sentinels took {target.name} as the primary of epoch {epoch}")
        # Only now: had we slept since the election, somebody else may lead by rights.
        wait(self._gather(target))
        return epoch

    def hand_over(self, named: Opinion, peers: Mapping[str, View | None], but: Collection[str] = ()) -> None:
        """Give this member's place as the primary to a replica that has every write, to none of `but`.

        Writes wait in the server meanwhile, a few hundredths of a second; none is lost or refused. Raises
        NotElected or Refused, and then this member leads on; Failed if it doesn't, and too few know who does.
        """
        target = _successor(peers, but)
        if target is None:
            raise Failed("no replica is linked, so nobody can take over")
        own, successor = self._servers[self._layout.me.name], self._servers[target]
        pod = self._layout.named(target)
        self._reach(successor)
        epoch = self._panel.elect(self._layout.me.identity, named, named.epoch)
        begun = time.monotonic()
        with own.writes_paused(PAUSE_SECONDS):
            self._catch_up(own, successor)
            successor.lead()
            # From here on this member is no primary, whatever fails: two would be worse than none.
            self._step_down(own, pod)
            # Before clients come: the pause keeps us from acknowledging what they WAIT for. The voters don't
            # elect anybody else so soon; had we been asleep, the others may by rights follow somebody else.
            if time.monotonic() - begun < PAUSE_SECONDS / 2:
                self._gather(pod, but=self._layout.me)
            needed = max(1, len(self._layout.members) // 2)  # of replicas, or it takes no writes
            with suppress(RedisError, OSError):
                wait_until(lambda: successor.replicas_online() >= needed, ATTACHED_SECONDS)
            agreed = agree(self._panel, pod, epoch)
            with suppress(RedisError, OSError):
                own.disconnect_clients()
        self._say(f"handed over to {target} in {(time.monotonic() - begun) * 1000:.0f} ms, epoch {epoch}")
        if not agreed:
            raise Failed(f"too few Sentinels took {target} as the primary of epoch {epoch}")
        self._gather(pod, but=self._layout.me)
        alive = {view.name for view in peers.values() if view and view.role not in ("down", "stuck")}
        others = alive - {target}
        if others and not self._relieved(successor, others):
            self._say(f"{target} still has no other replica after {RELIEVED_SECONDS:g} s")

    def _relieved(self, successor: Server, others: Collection[str]) -> bool:
        """Wait until one of the `others` has acknowledged what the new primary has written.

        Till then this member is its only replica, without which it takes no write, and WAIT waits in vain.
        """
        hosts = {self._layout.named(name).host for name in others}
        written: int | None = None

        def relieved() -> bool:
            nonlocal written
            try:
                offset, acknowledged = successor.acknowledged()
            except (RedisError, OSError):
                return False
            written = offset if written is None else written
            if any(acknowledged.get(host, -1) >= written for host in hosts):
                return True
            if not hosts & set(acknowledged):  # what they were told got lost
                self._gather(successor.pod, but=self._layout.me)
            return False

        return wait_until(relieved, RELIEVED_SECONDS, RELIEVED_EVERY)

    def _catch_up(self, own: Server, successor: Server) -> None:
        """Wait until the successor has all; writes are paused. Raises Refused if it takes too long."""
        begun = time.monotonic()
        end = own.offset()
        caught_up = wait_until(lambda: successor.offset() >= end, CAUGHT_UP_SECONDS)
        # An agent that has been asleep may find the pause over, and writes that the successor hasn't got.
        if not caught_up or time.monotonic() - begun > PAUSE_SECONDS / 2:
            raise Refused(successor.pod.name, f"didn't catch up with offset {end} in {CAUGHT_UP_SECONDS} s")

    def _step_down(self, own: Server, successor: Pod) -> None:
        for _ in range(STEP_DOWN_TRIES):
            try:
                own.follow(successor)
            except (RedisError, OSError) as error:
                self._say(f"following {successor.name}: {error}")
            else:
                return

    def _reach(self, server: Server) -> None:
        try:
            server.call("PING")
        except (RedisError, OSError) as error:
            raise Failed(f"{server.pod.name} can't be reached: {error}") from error

    def _gather(self, primary: Pod, but: Pod | None = None) -> list[Future[None]]:
        """Have the others follow, all at once. Those that can't be reached do so by their own agents."""

        def follow(server: Server) -> None:
            with suppress(RedisError, OSError):
                server.follow(primary)

        others = [server for server in self._servers.values() if server.pod not in (primary, but)]
        return [self._pool.submit(follow, server) for server in others]


def _successor(peers: Mapping[str, View | None], but: Collection[str]) -> str | None:
    """Of the linked replicas the one that started last: in a rolling update it has been updated already."""
    linked = [view for view in peers.values() if view and view.ready_to_lead and view.linked]
    linked = [view for view in linked if view.name not in but]
    return min(linked, key=lambda view: view.uptime).name if linked else None
