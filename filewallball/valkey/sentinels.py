"""The Sentinels as one panel: whom they name, their vote for an epoch, and telling them of a new primary.

An agent speaks the Sentinels' own protocol (https://valkey.io/topics/sentinel, "configuration epochs" and
"configuration propagation"): a leader is who a majority voted for in an epoch, each Sentinel votes once in an
epoch, and the configuration of the highest epoch wins. So no agent and Sentinel can lead in the same epoch.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from filewallball.errors import UserError
from filewallball.valkey.layout import PORT, SENTINEL_PORT, Layout, Pod

T = TypeVar("T")
TIMEOUT = 0.5
"""Seconds for one connection or answer."""
TRIES = 4
THREADS = 4
"""Threads for each Sentinel. One that hangs keeps threads busy, and the next question needs others."""

SPINNING_SHARE = 0.2
"""Of a processor. A Sentinel at work takes about a hundredth; one that spins takes all that it can get."""
SPINNING_LOOKS = 2

TUNING: dict[str, int] = {
    "ping-period": 250,
    "ask-period": 200,
    "publish-period": 1000,
    "info-period": 2000,
    "min-link-reconnect-period": 2000,
    "tilt-period": 5000,
}
"""Periods in milliseconds, shorter than the defaults.

The defaults (ping 1000, ask 1000, publish 2000, info 10000, reconnect 15000, tilt 30000) make up most of the
time of a fail-over when down-after is one second.
"""


class NotElected(UserError):
    """No majority of Sentinels voted for us: too few can be reached, or another one leads this epoch."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Whom a majority of the declared Sentinels names, and the highest epoch among those that do."""

    primary: Pod
    epoch: int
    down: bool
    """Whether a majority also finds it down."""


@dataclass(frozen=True, slots=True)
class Answer:
    host: str
    port: int
    epoch: int
    down: bool


class Work:
    """How busy a process is, by its processor time at two or more looks."""

    def __init__(self) -> None:
        self._last: tuple[float, float] | None = None
        self._busy_looks = 0

    def look(self, used: float, now: float) -> None:
        """`used`: seconds of processor time since the start; `now`: seconds of any clock."""
        if self._last:
            before, then = self._last
            # A restart begins at nothing: that is no work, either.
            busy = now > then and (used - before) / (now - then) > SPINNING_SHARE
            self._busy_looks = self._busy_looks + 1 if busy else 0
        self._last = used, now

    @property
    def spins(self) -> bool:
        return self._busy_looks >= SPINNING_LOOKS


class Panel:
    """Connections to all Sentinels; each question goes to all of them at once, half a second at most.

    Where a majority decides, the answers of the others are not waited for: one that hangs must not keep
    applications waiting.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._pool = ThreadPoolExecutor(THREADS * len(layout.sentinels), "sentinels")
        self._clients: dict[Pod, Any] = {pod: _client(layout, pod) for pod in layout.sentinels}
        self._tuned: dict[Pod, str] = {}
        self._work = {pod: Work() for pod in layout.sentinels}

    def opinion(self) -> Opinion | None:
        """None unless a majority names one and the same member."""
        answers = [answer for answer in self.ask(self._answer).values() if answer]
        counted = Counter((answer.host, answer.port) for answer in answers)
        if not counted:
            return None
        (host, port), votes = counted.most_common(1)[0]
        primary = self._layout.member(host)
        if votes < self._layout.majority or primary is None or port != PORT:
            return None
        agreeing = [answer for answer in answers if (answer.host, answer.port) == (host, port)]
        down = sum(answer.down for answer in agreeing) >= self._layout.majority
        return Opinion(primary, max(answer.epoch for answer in agreeing), down)

    def elect(self, candidate: str, named: Opinion, above: int) -> int:
        """Have `candidate` (an identity) voted for by a majority in an epoch above `above`; return it.

        It is the place of `named` that is voted about: a Sentinel that has learnt of another primary since
        doesn't vote. Raises NotElected. Voters don't fail over by themselves for twice the fail-over timeout.
        """
        epoch = above + 1
        seen: list[tuple[str, int]] = []
        for _ in range(TRIES):

            def vote(pod: Pod, client: Any, epoch: int = epoch) -> tuple[str, int]:
                # One that has just started would ping the new primary after a second, as the default is, and
                # have found it down by then.
                self._tune(pod, client)
                answer = self._answer(pod, client)
                if answer.host != named.primary.host or answer.epoch > named.epoch:
                    return "*", 0
                reply = client.execute_command(
                    "SENTINEL", "IS-MASTER-DOWN-BY-ADDR", answer.host, answer.port, epoch, candidate
                )
                _, leader, leader_epoch = cast("list[Any]", reply)
                return str(leader), int(leader_epoch)

            mine = (candidate, epoch)
            seen = self._ask_until(vote, lambda votes, mine=mine: votes.count(mine) >= self._layout.majority)
            if seen.count(mine) >= self._layout.majority:
                return epoch
            if len(seen) < self._layout.majority:
                break
            epoch = max(epoch, *(each[1] for each in seen)) + 1
        raise NotElected(
            f"{len(seen)} of {len(self._layout.sentinels)} Sentinels answered; a majority of"
            f" {self._layout.majority} didn't vote for us in epoch {epoch}: {sorted(set(seen))}"
        )

    def announce(self, primary: Pod, epoch: int) -> bool:
        """Tell every Sentinel that `primary` leads since `epoch`; return whether a majority took it."""

        def tell(pod: Pod, client: Any) -> bool:
            # A Sentinel learns of a new configuration from a peer; any other will do as the one that says so.
            peer = next(each for each in self._layout.sentinels if each != pod)
            hello = (peer.host, SENTINEL_PORT, peer.identity, epoch, self._layout.master)
            message = ",".join(map(str, (*hello, primary.host, PORT, epoch)))
            client.execute_command("PUBLISH", "__sentinel__:hello", message)
            return self._answer(pod, client).host == primary.host

        def enough(taken: list[bool]) -> bool:
            return taken.count(True) >= self._layout.majority

        return enough(self._ask_until(tell, enough))

    def tune(self) -> None:
        """Set the Sentinels' periods, in those that have started since they were last set."""

        def look_and_tune(pod: Pod, client: Any) -> None:
            info = self._tune(pod, client)
            self._work[pod].look(info["used_cpu_user"] + info["used_cpu_sys"], time.monotonic())

        self.ask(look_and_tune)

    def _tune(self, pod: Pod, client: Any) -> Any:
        """Set the periods of one Sentinel, if it has started since; what its INFO says."""
        info = client.execute_command("INFO", "server", "cpu")
        if self._tuned.get(pod) != info["run_id"]:
            periods = [word for name, value in TUNING.items() for word in (name, value)]
            client.execute_command("SENTINEL", "DEBUG", *periods)
            self._tuned[pod] = info["run_id"]
        return info

    def spinning(self) -> list[Pod]:
        """Sentinels that have kept a processor busy for a while: they have little to do, so a link is broken.

        Linux leaves an ICMP error in the queue of a socket whose first SYN was rejected (as kube-proxy does
        for a Service without endpoints) and whose second got through. The link works, but epoll reports an
        error without end, and the event loop turns as fast as it can. Only a new connection helps.
        """
        return [pod for pod, work in self._work.items() if work.spins]

    def end_links(self, pod: Pod) -> None:
        """Close the links that the Sentinel `pod` has to its peers; it makes new ones at once."""

        def end(peer: Pod, client: Any) -> None:
            if peer != pod:
                end_links(client.execute_command, pod)

        self.ask(end)
        self._work[pod] = Work()

    def _answer(self, _pod: Pod, client: Any) -> Answer:
        pipeline = client.pipeline(transaction=False)
        pipeline.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._layout.master)
        pipeline.execute_command("SENTINEL", "MASTER", self._layout.master)
        # A leader in the midst of a fail-over gives the new address here, the old one in its state.
        address, flat = cast("list[list[str]]", pipeline.execute())
        state = dict(zip(flat[::2], flat[1::2], strict=True))
        down = "s_down" in state["flags"].split(",")
        return Answer(address[0], int(address[1]), int(state["config-epoch"]), down)

    def ask(self, question: Callable[[Pod, Any], T], *pods: Pod) -> dict[Pod, T | None]:
        """The answers of these Sentinels, of all if none is named; None for those that gave none."""
        asked = pods or tuple(self._clients)
        return dict(zip(asked, self._pool.map(self._one(question), asked), strict=True))

    def _ask_until(self, question: Callable[[Pod, Any], T], enough: Callable[[list[T]], bool]) -> list[T]:
        """The answers that came before they were enough; all of them where they never are."""
        answers: list[T] = []
        for future in as_completed([self._pool.submit(self._one(question), pod) for pod in self._clients]):
            if (answer := future.result()) is not None:
                answers.append(answer)
            if enough(answers):
                break
        return answers

    def _one(self, question: Callable[[Pod, Any], T]) -> Callable[[Pod], T | None]:
        """The question to one Sentinel; None where it gives no answer."""

        def one(pod: Pod) -> T | None:
            try:
                return question(pod, self._clients[pod])
            except (RedisError, OSError):
                return None

        return one


def _client(layout: Layout, pod: Pod) -> Redis:
    return Redis(
        host=pod.host,
        port=SENTINEL_PORT,
        credential_provider=layout.login("peer"),
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        **layout.encryption,
    )


def end_links(call: Callable[..., Any], sentinel: Pod) -> None:
    """At a server, close the connections that this Sentinel has opened; `call` executes a command there."""
    prefix = f"name=sentinel-{sentinel.identity[:8]}-"
    for line in str(call("CLIENT", "LIST")).splitlines():
        fields = line.split()
        if any(field.startswith(prefix) for field in fields):
            call("CLIENT", "KILL", "ID", fields[0].removeprefix("id="))


def agree(panel: Panel, primary: Pod, epoch: int, seconds: float = 3.0) -> bool:
    """Announce until a majority has taken it; False if that doesn't happen in time."""
    deadline = time.monotonic() + seconds
    while not panel.announce(primary, epoch):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
